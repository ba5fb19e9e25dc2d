//! Memory for intermediate results of a task, kept by its thread from one call to the next.

use std::cell::RefCell;

thread_local! {
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Lends `body` a slice of `len` floats with unspecified contents. Calls do not nest.
pub(crate) fn with_scratch(len: usize, body: impl FnOnce(&mut [f32])) {
    SCRATCH.with_borrow_mut(|scratch| {
        if scratch.len() < len {
            scratch.resize(len, 0.0);
        }
        body(&mut scratch[..len]);
    });
}
