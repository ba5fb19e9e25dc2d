//! Products of rows with a matrix that is packed once for all of them, where `gemm` packs it for each piece of the rows.
//!
//! Loops go by index and nothing is a closure, as in [`super::small_product`].

use std::cell::Cell;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::gemm::{Into, Strided};
use super::small_product::{ROWS, transpose};
use super::sum;

/// Rows that are multiplied at once: a panel stays in the nearest cache for them, and their product in the next.
pub(super) const BLOCK: usize = 8 * ROWS;

/// Steps along k that are written out: else the processor is as busy with addresses as with sums.
const DEPTH: usize = 4;

/// Numbers between the rows of a product: rows of a power of two would drive each other out of the cache.
const PADDING: usize = 16;

thread_local! {
    /// Memory to pack into, kept by its thread.
    pub(super) static PACKED: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// A matrix, (k, n), in panels of as many columns as two vectors have, each (k, columns), the last one filled up with zeros.
#[derive(Clone, Copy)]
pub(super) struct Panels<'a> {
    arch: Arch,
    k: usize,
    n: usize,
    /// (panels, k, columns)
    packed: &'a [f32],
}

impl<'a> Panels<'a> {
    /// Numbers that a matrix, (k, n), has in panels.
    pub(super) fn len([k, n]: [usize; 2]) -> usize {
        k * n.next_multiple_of(Arch::new().dispatch(Width))
    }

    /// Packs a matrix, one of whose strides is 1, on all threads.
    pub(super) fn pack(matrix: Strided<'_>, [k, n]: [usize; 2], packed: &'a mut [f32]) -> Self {
        matrix.assert_holds(k, n);
        let arch = Arch::new();
        let width = arch.dispatch(Width);
        packed.par_chunks_exact_mut(k * width).enumerate().for_each(|(panel, packed)| {
            let first = panel * width;
            pack_panel(matrix, [k, n.min(first + width) - first], first, packed, width);
        });
        Panels { arch, k, n, packed }
    }

    /// How far apart the rows of a product are.
    pub(super) fn stride(self) -> usize {
        self.packed.len() / self.k + PADDING
    }

    /// out = a · the matrix, where a is (rows, k), row-major. Rows of `out` are [`Panels::stride`] apart; behind their n
    /// columns something else may be written.
    pub(super) fn multiply(self, a: Strided<'_>, rows: usize, out: &mut [f32]) {
        assert!(a.column_stride == 1, "rows that a product reads are no rows");
        self.arch.dispatch(Multiply { panels: self, a, rows, out });
    }

    /// out (+)= a · the matrix, by way of `scratch`, which has [`BLOCK`] rows as [`Panels::multiply`] writes them; calls `done`
    /// with each row's index and the row, soon after it was made.
    pub(super) fn multiply_into(
        self,
        a: Strided<'_>,
        out: &mut [f32],
        into: Into,
        scratch: &mut [f32],
        mut done: impl FnMut(usize, &mut [f32]),
    ) {
        for (block, out) in out.chunks_mut(BLOCK * self.n).enumerate() {
            let first = block * BLOCK;
            self.multiply(a.rows_from(first), out.len() / self.n, scratch);
            let products = scratch.chunks_exact(self.stride());
            for ((row, out), product) in (first..).zip(out.chunks_exact_mut(self.n)).zip(products) {
                match into {
                    Into::Overwrite => out.copy_from_slice(&product[..self.n]),
                    Into::Add => sum::add_rows(&product[..self.n], out),
                }
                done(row, out);
            }
        }
    }
}

/// Writes some columns of a matrix, (k, count), from `first` on, as a panel.
fn pack_panel(matrix: Strided<'_>, [k, count]: [usize; 2], first: usize, packed: &mut [f32], width: usize) {
    if matrix.column_stride != 1 {
        assert!(matrix.row_stride == 1, "a matrix has neither rows nor columns");
        return transpose(matrix.transposed().rows_from(first), [count, k], packed, width);
    }
    for (row, packed) in packed.chunks_exact_mut(width).enumerate() {
        packed[..count].copy_from_slice(&matrix.data[row * matrix.row_stride + first..][..count]);
        packed[count..].fill(0.0);
    }
}

/// Asks for the columns of a panel.
struct Width;

impl WithSimd for Width {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        2 * S::F32_LANES
    }
}

struct Multiply<'a> {
    panels: Panels<'a>,
    a: Strided<'a>,
    rows: usize,
    out: &'a mut [f32],
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Panels { k, packed, .. } = self.panels;
        let (width, stride) = (2 * S::F32_LANES, self.panels.stride());
        let mut column = 0;
        while column * k < packed.len() {
            let panel = &packed[column * k..][..width * k];
            let mut row = 0;
            while row < self.rows {
                let a = self.a.rows_from(row);
                let out = &mut self.out[row * stride + column..];
                match self.rows - row {
                    1 => store::<S, 1>(simd, k, a, panel, out, stride),
                    2 => store::<S, 2>(simd, k, a, panel, out, stride),
                    3 => store::<S, 3>(simd, k, a, panel, out, stride),
                    4 => store::<S, 4>(simd, k, a, panel, out, stride),
                    5 => store::<S, 5>(simd, k, a, panel, out, stride),
                    _ => store::<S, ROWS>(simd, k, a, panel, out, stride),
                }
                row += ROWS;
            }
            column += width;
        }
    }
}

/// Stores the product of R rows of a matrix and a panel.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // see above
fn store<S: Simd, const R: usize>(simd: S, k: usize, a: Strided<'_>, panel: &[f32], out: &mut [f32], stride: usize) {
    let mut sums = [[simd.splat_f32s(0.0); 2]; R];
    let (panel, _) = S::as_simd_f32s(panel);
    let (steps, rest) = panel[..2 * k].as_chunks::<{ 2 * DEPTH }>();
    let mut rows = [a.data[..k].as_chunks::<DEPTH>(); R];
    for i in 1..R {
        rows[i] = a.data[i * a.row_stride..][..k].as_chunks::<DEPTH>();
    }
    for step in 0..steps.len() {
        for depth in 0..DEPTH {
            let mut column = [0.0; R];
            for i in 0..R {
                column[i] = rows[i].0[step][depth];
            }
            sums = add(simd, sums, column, [steps[step][2 * depth], steps[step][2 * depth + 1]]);
        }
    }
    for depth in 0..rest.len() / 2 {
        let mut column = [0.0; R];
        for i in 0..R {
            column[i] = rows[i].1[depth];
        }
        sums = add(simd, sums, column, [rest[2 * depth], rest[2 * depth + 1]]);
    }
    for i in 0..R {
        let (out, _) = S::as_mut_simd_f32s(&mut out[i * stride..][..2 * S::F32_LANES]);
        out[..2].copy_from_slice(&sums[i]);
    }
}

/// Adds the products of a column's elements and a row of a panel.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // see above
fn add<S: Simd, const R: usize>(
    simd: S,
    mut sums: [[S::f32s; 2]; R],
    column: [f32; R],
    row: [S::f32s; 2],
) -> [[S::f32s; 2]; R] {
    for i in 0..R {
        let factor = simd.splat_f32s(column[i]);
        for v in 0..2 {
            sums[i][v] = simd.mul_add_e_f32s(factor, row[v], sums[i][v]);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole numbers, so that all sums are exact.
    fn whole(len: usize, factor: usize) -> Vec<f32> {
        (0..len).map(|i| (i * factor % 7) as f32 - 3.0).collect()
    }

    /// A matrix row by row and column by column, each by `gap` longer than what is read of it.
    fn both_ways([rows, columns]: [usize; 2], gap: usize, data: &[f32]) -> [Strided<'_>; 2] {
        [Strided::new(data, columns + gap), Strided::new(data, rows + gap).transposed()]
    }

    #[test]
    fn all_rows_are_stored_or_added_and_done_in_their_order() {
        for rows in [1, 2, 3, 4, 5, 6, 7, 47, 48, 49, 101] {
            for [k, n] in [[1, 1], [1, 9], [9, 1], [3, 7], [4, 16], [9, 17], [32, 33], [7, 64]] {
                let gap = rows % 2 * 3;
                let [left, right] = [[rows, k], [k, n]].map(|[rows, columns]| whole((rows + gap) * (columns + gap), 5));
                let (a, right) = (Strided::new(&left, k + gap), both_ways([k, n], gap, &right));
                for b in right {
                    for into in [Into::Overwrite, Into::Add] {
                        let mut packed = vec![f32::NAN; Panels::len([k, n])];
                        let panels = Panels::pack(b, [k, n], &mut packed);
                        let (mut out, mut done) = (whole(rows * n, 3), Vec::new());
                        let before = out.clone();
                        let mut scratch = vec![f32::NAN; BLOCK * panels.stride()];
                        panels.multiply_into(a, &mut out, into, &mut scratch, |row, out| {
                            assert_eq!(out.len(), n);
                            done.push(row);
                        });
                        assert!(done.into_iter().eq(0..rows), "({rows}, {k}, {n})");
                        let at = |x: Strided<'_>, i: usize, j: usize| x.data[i * x.row_stride + j * x.column_stride];
                        for (i, got) in out.iter().enumerate() {
                            let (row, column) = (i / n, i % n);
                            let sum: f32 = (0..k).map(|p| at(a, row, p) * at(b, p, column)).sum();
                            let want = if into == Into::Add { before[i] + sum } else { sum };
                            assert_eq!(*got, want, "({rows}, {k}, {n}), row {row}, column {column}");
                        }
                    }
                }
            }
        }
    }
}
