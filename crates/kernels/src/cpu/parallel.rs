//! Splitting work over the threads. The pieces depend on the shape alone, never on the number of
//! threads, so that results do not either.

use rayon::prelude::*;

/// Elements that one task takes: 64 KiB of `f32`, enough to hide the cost of a task.
const CHUNK: usize = 16 * 1024;

/// Parameters of a CPU body.
pub(crate) fn parameters<P: bytemuck::Pod>(bytes: &[u8]) -> P {
    bytemuck::pod_read_unaligned(bytes)
}

/// Calls `body` with the index of the first element of each piece of `out`, and the piece.
pub(crate) fn chunks<T: Send>(out: &mut [T], body: impl Fn(usize, &mut [T]) + Sync) {
    if out.len() <= CHUNK {
        return body(0, out);
    }
    out.par_chunks_mut(CHUNK).enumerate().for_each(|(piece, out)| body(piece * CHUNK, out));
}

/// Rows that one task takes.
pub(crate) fn rows_a_task(width: usize) -> usize {
    (CHUNK / width).max(1)
}

/// Calls `body` with the index of each row and the row, `width` elements wide.
pub(crate) fn rows<T: Send>(out: &mut [T], width: usize, body: impl Fn(usize, &mut [T]) + Sync) {
    let rows_a_task = rows_a_task(width);
    let run = |first: usize, out: &mut [T]| {
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            body(first + row, out);
        }
    };
    if out.len() <= rows_a_task * width {
        return run(0, out);
    }
    out.par_chunks_mut(rows_a_task * width).enumerate().for_each(|(task, out)| run(task * rows_a_task, out));
}

/// As [`rows`], with the rows of two matrices that have as many.
pub(crate) fn row_pairs(
    a: &mut [f32],
    b: &mut [f32],
    width: usize,
    body: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) {
    let rows_a_task = rows_a_task(width);
    let tasks = a.par_chunks_mut(rows_a_task * width).zip(b.par_chunks_mut(rows_a_task * width));
    tasks.enumerate().for_each(|(task, (a, b))| {
        for (row, (a, b)) in a.chunks_exact_mut(width).zip(b.chunks_exact_mut(width)).enumerate() {
            body(task * rows_a_task + row, a, b);
        }
    });
}

/// Calls `body` with the index of the first element of each block of `out`, and the block; for
/// elements that are each a lot of work.
pub(crate) fn blocks<T: Send>(out: &mut [T], block: usize, body: impl Fn(usize, &mut [T]) + Sync) {
    out.par_chunks_mut(block).enumerate().for_each(|(index, out)| body(index * block, out));
}

/// Calls `body` with the index of each element of `out` and the element, where each is made of
/// `work` others.
pub(crate) fn reductions<T: Send>(out: &mut [T], work: usize, body: impl Fn(usize, &mut T) + Sync) {
    let elements_a_task = (CHUNK / work).max(1);
    out.par_chunks_mut(elements_a_task).enumerate().for_each(|(task, out)| {
        for (element, out) in out.iter_mut().enumerate() {
            body(task * elements_a_task + element, out);
        }
    });
}
