//! Memory for intermediate results of a task, kept by its thread from one call to the next.

use std::cell::Cell;
use std::thread::LocalKey;

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Lends `body` a slice of `len` floats with unspecified contents. A call within a call, as of a task that a waiting
/// thread takes up, has memory of its own.
pub(crate) fn with_scratch(len: usize, body: impl FnOnce(&mut [f32])) {
    lend(&SCRATCH, len, 0.0, body);
}

/// Lends `body` this many elements with unspecified contents, which the thread keeps in `kept`, as [`with_scratch`] does.
pub(crate) fn lend<T: Copy, R>(
    kept: &'static LocalKey<Cell<Vec<T>>>,
    count: usize,
    zero: T,
    body: impl FnOnce(&mut [T]) -> R,
) -> R {
    let mut elements = kept.take();
    if elements.len() < count {
        elements.resize(count, zero);
    }
    let result = body(&mut elements[..count]);
    kept.set(elements);
    result
}

/// Takes `count` elements off the front.
pub(crate) fn take<'a, T>(rest: &mut &'a mut [T], count: usize) -> &'a mut [T] {
    let (front, others) = std::mem::take(rest).split_at_mut(count);
    *rest = others;
    front
}
