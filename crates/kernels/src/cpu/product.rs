//! Matrix products on the CPU, with what is done to their rows while those are in cache.

use rayon::prelude::*;
use runtime::MatrixUnit;

use super::bfloat16::{self, Parts};
use super::gemm::{Into, Strided, Threads, gemm};
use super::parallel;

/// What is done to a row of a product, given its index, the row, and the row of the other matrix. It starts no other
/// tasks.
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
        assert!(beside.is_empty() || beside.len() == out.len(), "the other matrix has another shape");
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

/// out (+)= a · b, where a is (m, k), b is (k, n) and out is (m, n), row-major; on the matrix unit, from operands in these
/// parts, if there is one. No dimension is zero.
pub(crate) fn product(
    unit: Option<(MatrixUnit, Parts)>,
    sizes: [usize; 3],
    a: Strided<'_>,
    b: Strided<'_>,
    to: Destination<'_>,
) {
    let [m, _, n] = sizes;
    assert!(to.out.len() == m * n, "a product does not fill its slice");
    if let Some((unit, parts)) = unit {
        return bfloat16::product(unit, parts, sizes, a, b, to);
    }
    gemm(sizes, 1.0, a, b, &mut *to.out, n, to.into, Threads::All);
    if to.finish.is_some() {
        to.in_pieces(parallel::rows_a_task(n), n, |_, out, finish| finish(0, out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (m, k, n): one piece; several; slices on the unit; rows that fill no tile; rows longer than a task.
    const SIZES: [[usize; 3]; 6] = [[1, 1, 1], [3, 7, 5], [33, 31, 65], [130, 40, 300], [70, 1500, 45], [3, 3, 20_000]];

    /// Whole numbers, so that all sums are exact.
    fn whole(len: usize, factor: usize) -> Vec<f32> {
        (0..len).map(|i| (i * factor % 5) as f32 - 2.0).collect()
    }

    #[test]
    fn each_row_is_finished_once_with_and_without_a_matrix_unit() {
        let units = [Parts::One, Parts::Three].map(|parts| MatrixUnit::get().map(|unit| (unit, parts)));
        for unit in [None].into_iter().chain(units) {
            for ([m, k, n], save) in SIZES.into_iter().flat_map(|size| [(size, false), (size, true)]) {
                let (a, b) = (whole(m * k, 7), whole(k * n, 3));
                let (a, b) = (Strided::new(&a, k), Strided::new(&b, n));
                for into in [Into::Overwrite, Into::Add] {
                    let mut want = vec![7.0; m * n];
                    gemm([m, k, n], 1.0, a, b, &mut want, n, into, Threads::One);
                    let (mut out, mut beside) = (vec![7.0; m * n], vec![7.0; if save { m * n } else { 0 }]);
                    let finish: &Finish<'_> = &|row, out, beside| {
                        for (beside, out) in beside.iter_mut().zip(&*out) {
                            *beside = 2.0 * out;
                        }
                        for out in out {
                            *out += (row + 1) as f32;
                        }
                    };
                    let to = Destination { out: &mut out, into, finish: Some(finish), beside: &mut beside };
                    product(unit, [m, k, n], a, b, to);
                    let case = format!("{unit:?} ({m}, {k}, {n}), {save}");
                    assert!((0..m * n).all(|i| out[i] == want[i] + (i / n + 1) as f32), "{case}");
                    assert!(beside.iter().zip(&want).all(|(beside, want)| *beside == 2.0 * want), "{case}");
                }
            }
        }
    }
}
