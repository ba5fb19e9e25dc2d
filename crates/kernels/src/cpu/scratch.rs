//! Memory for intermediate results of a task, kept by its thread from one call to the next.

use std::cell::Cell;

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Lends `body` a slice of `len` floats with unspecified contents. A call within a call, as of a task that a waiting
/// thread takes up, has memory of its own.
pub(crate) fn with_scratch(len: usize, body: impl FnOnce(&mut [f32])) {
    let mut scratch = SCRATCH.take();
    if scratch.len() < len {
        scratch.resize(len, 0.0);
    }
    body(&mut scratch[..len]);
    SCRATCH.set(scratch);
}
