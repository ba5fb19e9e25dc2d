//! Matrix products on the CPU, with what is done to their rows while those are in cache.

use rayon::prelude::*;
use runtime::MatrixUnit;

use super::bfloat16::{self, Parts};
use super::gemm::{Into, Strided, Threads, gemm};
use super::parallel;

/// What is done to a row of a product, given its index, the row, and the row of the other matrix.
pub(crate) type Finish<'a> = dyn Fn(usize, &mut [f32], &mut [f32]) + Sync + 'a;

/// Where a product goes.
pub(crate) struct Destination<'a> {
    /// (m, n)
    pub(crate) out: &'a mut [f32],
    /// How the product meets what is there.
    pub(crate) into: Into,
    /// What happens to each row next.
    pub(crate) finish: Option<&'a Finish<'a>>,
    /// (m, n), for `finish`, or empty.
    pub(crate) beside: &'a mut [f32],
}

impl Destination<'_> {
    /// Calls `body` with pieces of `rows` rows, of `width` elements each, in parallel: with the index of its first row,
    /// the rows of `out`, and what to call with any rows of the piece that are done, and the first one's index in it.
    pub(super) fn in_pieces(
        self,
        rows: usize,
        width: usize,
        body: impl Fn(usize, &mut [f32], &mut dyn FnMut(usize, &mut [f32])) + Sync,
    ) {
        let Destination { out, finish, beside, .. } = self;
        let run = |piece: usize, out: &mut [f32], beside: &mut [f32]| {
            let mut finish_rows = |first: usize, out: &mut [f32]| {
                let Some(finish) = finish else { return };
                for (row, out) in (first..).zip(out.chunks_exact_mut(width)) {
                    let beside = if beside.is_empty() { &mut [] } else { &mut beside[row * width..][..width] };
                    finish(piece * rows + row, out, beside);
                }
            };
            body(piece * rows, out, &mut finish_rows);
        };
        let pieces = out.par_chunks_mut(rows * width).enumerate();
        if beside.is_empty() {
            pieces.for_each(|(piece, out)| run(piece, out, &mut []));
        } else {
            pieces.zip(beside.par_chunks_mut(rows * width)).for_each(|((piece, out), beside)| run(piece, out, beside));
        }
    }
}

/// out (+)= a · b, where a is (m, k), b is (k, n) and out is (m, n), row-major, by the matrix unit if there is one. No
/// dimension is zero.
pub(crate) fn product(
    unit: Option<MatrixUnit>,
    sizes: [usize; 3],
    a: Strided<'_>,
    b: Strided<'_>,
    to: Destination<'_>,
) {
    let [_, k, n] = sizes;
    if let Some(unit) = unit {
        return bfloat16::product(unit, Parts::Three, sizes, a, b, to);
    }
    if to.finish.is_none() {
        return gemm(sizes, 1.0, a, b, to.out, n, to.into, Threads::All);
    }
    let into = to.into;
    to.in_pieces(parallel::rows_a_task(n), n, |first, out, finish| {
        let sizes = [out.len() / n, k, n];
        gemm(sizes, 1.0, a.skip_rows(first), b, out, n, into, Threads::One);
        finish(0, out);
    });
}
