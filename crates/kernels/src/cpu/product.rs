//! Matrix products on the CPU, with what is done to their rows while those are in cache.

use std::cell::Cell;
use std::ops::Range;

use multiversion::multiversion;
use rayon::iter::Either;
use rayon::prelude::*;

use super::bfloat16::{self, Unit};
use super::gemm::{Into, Strided, Threads, gemm};
use super::panels::{BLOCK, PACKED, Panels};
use super::parallel;
use super::scratch::{lend, with_scratch};

/// Rows of a product that one thread makes by itself, at least: the right operand is packed anew for each piece, which
/// fewer would not repay.
const MIN_ROWS: usize = 192;

/// Rows of a product from which its right operand is packed in panels.
const PANEL_ROWS: usize = 2 * MIN_ROWS;

/// Columns that such a product has at least. That and [`MIN_ROWS`] keep pieces away from the sizes for which `gemm` sums in
/// another order, so that how many there are, which the threads decide, changes no bit.
const MIN_COLUMNS: usize = 16;

/// Pieces of a product for each thread: more than one, so that none waits long for another, and so that what follows the
/// product finds its rows in cache.
const PIECES_A_THREAD: usize = 4;

/// Rows of the pieces that threads make a product of this size in, all but the last, which has no less than [`MIN_ROWS`];
/// nothing if all should work on the whole, as where they would get no piece each.
fn rows_a_piece(m: usize, n: usize) -> Option<usize> {
    let threads = rayon::current_num_threads();
    let fair = m.div_ceil(PIECES_A_THREAD * threads).max(MIN_ROWS);
    let rows = (fair..=m).find(|rows| !(1..MIN_ROWS).contains(&(m % rows)))?;
    (n >= MIN_COLUMNS && m.div_ceil(rows) >= threads.max(2)).then_some(rows)
}

/// Steps along k of which `gemm` makes a slice's product, at least.
const LEAST_SLICE: usize = 256;

thread_local! {
    static PARTIALS: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

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
        self.in_pieces_with(rows, width, (&mut [], 0), |first, out, _, finish| body(first, out, finish));
    }

    /// As [`Destination::in_pieces`], with the same rows of one more matrix, of another width, or empty.
    pub(super) fn in_pieces_with(
        self,
        rows: usize,
        width: usize,
        (other, other_width): (&mut [f32], usize),
        body: impl Fn(usize, &mut [f32], &mut [f32], &mut dyn FnMut(usize, &mut [f32])) + Sync,
    ) {
        let Destination { out, finish, beside, .. } = self;
        assert!(beside.is_empty() || beside.len() == out.len(), "the other matrix has another shape");
        assert!(other.is_empty() || other.len() / other_width == out.len() / width, "a matrix has other rows");
        let count = out.len().div_ceil(rows * width);
        let matrices = out.par_chunks_mut(rows * width).zip(pieces(beside, rows * width, count));
        matrices.zip(pieces(other, rows * other_width, count)).enumerate().for_each(
            |(piece, ((out, beside), other))| {
                let mut finish_rows = |first: usize, out: &mut [f32]| {
                    let Some(finish) = finish else { return };
                    for (row, out) in (first..).zip(out.chunks_exact_mut(width)) {
                        let beside = if beside.is_empty() { &mut [] } else { &mut beside[row * width..][..width] };
                        finish(piece * rows + row, out, beside);
                    }
                };
                body(piece * rows, out, other, &mut finish_rows);
            },
        );
    }
}

/// The `count` pieces of a slice, `len` long but for the last; or as many empty ones, if it is empty.
fn pieces(slice: &mut [f32], len: usize, count: usize) -> impl IndexedParallelIterator<Item = &mut [f32]> {
    if slice.is_empty() {
        Either::Left(rayon::iter::repeat_n((), count).map(|()| Default::default()))
    } else {
        Either::Right(slice.par_chunks_mut(len))
    }
}

/// out (+)= a · b, where a is (m, k), b is (k, n) and out is (m, n), row-major; by a unit for bfloat16, if one is
/// given. No dimension is zero.
pub(crate) fn product(unit: Option<Unit>, sizes: [usize; 3], a: Strided<'_>, b: Strided<'_>, to: Destination<'_>) {
    let [m, k, n] = sizes;
    assert!(to.out.len() == m * n, "a product does not fill its slice");
    if let Some(unit) = unit {
        return bfloat16::product(unit, sizes, a, b, to);
    }
    if m >= PANEL_ROWS && n >= MIN_COLUMNS && a.column_stride == 1 {
        return by_panels(sizes, a, b, to);
    }
    // Not where a is row-major: what a row of a layer gives must not depend on how many rows there are.
    let slices = if a.row_stride == 1 { slices(sizes, LEAST_SLICE) } else { 1 };
    if m < PANEL_ROWS && slices > 1 {
        return in_slices(sizes, k.div_ceil(slices), to, |slice, out| {
            let (a, b) = (a.transposed().rows_from(slice.start).transposed(), b.rows_from(slice.start));
            gemm([m, slice.len(), n], 1.0, a, b, out, n, Into::Overwrite, Threads::One);
        });
    }
    let Some(rows) = rows_a_piece(m, n) else {
        gemm(sizes, 1.0, a, b, &mut *to.out, n, to.into, Threads::All);
        if to.finish.is_some() {
            to.in_pieces(parallel::rows_a_task(n), n, |_, out, finish| finish(0, out));
        }
        return;
    };
    let into = to.into;
    to.in_pieces(rows, n, |first, out, finish| {
        gemm([out.len() / n, k, n], 1.0, a.rows_from(first), b, out, n, into, Threads::One);
        finish(0, out);
    });
}

/// As [`product`], with b in panels.
fn by_panels([_, k, n]: [usize; 3], a: Strided<'_>, b: Strided<'_>, to: Destination<'_>) {
    let (into, size) = (to.into, [k, n]);
    lend(&PACKED, Panels::len(size), 0.0, |packed| {
        let panels = Panels::pack(b, size, packed);
        to.in_pieces(parallel::rows_a_task(n).next_multiple_of(BLOCK), n, |first, out, finish| {
            with_scratch(BLOCK * panels.stride(), |scratch| {
                panels.multiply_into(a.rows_from(first), out, into, scratch, finish);
            });
        });
    });
}

/// Into how many slices of at least this length the inner dimension is cut: more than one where it is longer than both others,
/// as in the gradient of a weight. So each operand is read once, and threads share a product that has few rows. The partial
/// sums are half as many numbers as the operands at most, written and read once.
pub(super) fn slices([m, k, n]: [usize; 3], least: usize) -> usize {
    if k > m.max(n) { (k / least).min(k * (m + n) / (2 * m * n)) } else { 1 }
}

/// Makes a product in slices of the inner dimension, all but the last this long, in parallel: `multiply` gets the slice and where
/// its product goes, (m, n). They are added up in their order.
pub(super) fn in_slices(
    [m, k, n]: [usize; 3],
    slice_len: usize,
    to: Destination<'_>,
    multiply: impl Fn(Range<usize>, &mut [f32]) + Sync,
) {
    let into = to.into;
    lend(&PARTIALS, k.div_ceil(slice_len) * m * n, 0.0, |partials| {
        partials.par_chunks_exact_mut(m * n).enumerate().for_each(|(slice, partial)| {
            multiply(slice * slice_len..k.min((slice + 1) * slice_len), partial);
        });
        to.in_pieces(parallel::rows_a_task(n), n, |first, out, finish| {
            add_up(partials, m * n, first * n, out, into);
            finish(0, out);
        });
    });
}

#[multiversion(targets = "simd")]
fn add_up(partials: &[f32], len: usize, first: usize, out: &mut [f32], into: Into) {
    for (slice, partial) in partials.chunks_exact(len).enumerate() {
        let partial = &partial[first..];
        if slice == 0 && into == Into::Overwrite {
            out.copy_from_slice(&partial[..out.len()]);
            continue;
        }
        for (out, partial) in out.iter_mut().zip(partial) {
            *out += partial;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (m, k, n): one piece; several; slices on the unit; rows that fill no tile; rows longer than a task; pieces of a thread
    /// each, the last one smaller than the others.
    const SIZES: [[usize; 3]; 7] =
        [[1, 1, 1], [3, 7, 5], [33, 31, 65], [130, 40, 300], [70, 1500, 45], [3, 3, 20_000], [579, 9, 17]];

    /// Whole numbers, so that all sums are exact.
    fn whole(len: usize, factor: usize) -> Vec<f32> {
        (0..len).map(|i| (i * factor % 5) as f32 - 2.0).collect()
    }

    #[test]
    fn each_row_is_finished_once_with_and_without_a_unit() {
        for unit in [None].into_iter().chain(Unit::all().into_iter().map(Some)) {
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

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started")
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let sizes = [
            [384, 5, 15],
            [385, 700, 16],
            [599, 1100, 17],
            [1000, 64, 33],
            [3136, 31, 40],
            [16, 900, 1],
            [70, 1500, 45],
        ];
        for [m, k, n] in sizes {
            let values = |len: usize| -> Vec<f32> { (0..len).map(|i| ((i * 7919 % 10_007) as f32).sin()).collect() };
            let (a, b) = (values(m * k), values(k * n));
            let with_threads = |threads: usize, [a_transposed, b_transposed]: [bool; 2]| {
                let a = if a_transposed { Strided::new(&a, m).transposed() } else { Strided::new(&a, k) };
                let b = if b_transposed { Strided::new(&b, k).transposed() } else { Strided::new(&b, n) };
                let mut out = vec![0.0; m * n];
                let to = Destination { out: &mut out, into: Into::Overwrite, finish: None, beside: &mut [] };
                pool(threads).install(|| product(None, [m, k, n], a, b, to));
                out
            };
            // Panels, and where a is transposed pieces by `gemm`, or slices where there are few rows.
            let row_major: &[_] = if m < PANEL_ROWS { &[] } else { &[[false, false], [false, true]] };
            for &transposed in row_major.iter().chain(&[[true, false]]) {
                let want = with_threads(1, transposed);
                for threads in [2, 3, 5, 8] {
                    assert!(
                        with_threads(threads, transposed) == want,
                        "({m}, {k}, {n}), {threads} threads, {transposed:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn each_thread_gets_a_piece_or_all_share_the_whole() {
        for threads in [1, 2, 3, 7, 64] {
            let pool = pool(threads);
            for m in (1..1500).chain([3136, 6272, 64_001]) {
                let Some(rows) = pool.install(|| rows_a_piece(m, MIN_COLUMNS)) else {
                    assert!(m / MIN_ROWS < 2 * threads.max(2), "{m} rows are worth pieces for {threads} threads");
                    continue;
                };
                let last = (m - 1) % rows + 1;
                assert!(rows.min(last) >= MIN_ROWS && m.div_ceil(rows) >= threads.max(2), "{m} rows by {rows}");
            }
            assert_eq!(pool.install(|| rows_a_piece(64_001, MIN_COLUMNS - 1)), None);
        }
    }
}
