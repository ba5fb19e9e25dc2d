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
            let columns = n.min(first + width) - first;
            if matrix.column_stride == 1 {
                let rows = Strided { data: &matrix.data[first..], ..matrix };
                arch.dispatch(PackRows { rows, columns, packed });
            } else {
                assert!(matrix.row_stride == 1, "a matrix has neither rows nor columns");
                transpose(matrix.transposed().rows_from(first), [columns, k], packed, width);
            }
        });
        Panels { arch, k, n, packed }
    }

    /// How far apart the rows of a product are.
    pub(super) fn stride(self) -> usize {
        self.packed.len() / self.k + PADDING
    }

    /// out = a · the matrix, where a is (rows, k), row-major or the transpose of a panel. Rows of `out` are [`Panels::stride`]
    /// apart; behind their n columns something else may be written.
    pub(super) fn multiply(self, a: Strided<'_>, rows: usize, out: &mut [f32]) {
        let panel = a.row_stride == 1 && a.column_stride == self.arch.dispatch(Width);
        assert!(a.column_stride == 1 || panel, "rows that a product reads are no rows");
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

    /// out (+)= leftᵀ · the matrix, where `left` has as many rows, by way of `scratch`, as in [`Panels::multiply_into`].
    pub(super) fn multiply_transposed_into(self, left: Panels<'_>, out: &mut [f32], into: Into, scratch: &mut [f32]) {
        assert!(left.k == self.k && out.len() == left.n * self.n, "matrices have other shapes than their product");
        let width = self.arch.dispatch(Width);
        for (panel, out) in left.packed.chunks_exact(left.k * width).zip(out.chunks_mut(width * self.n)) {
            self.multiply_into(Strided::new(panel, width).transposed(), out, into, scratch, |_, _| ());
        }
    }
}

/// A matrix, (k, n), on its way into panels, some rows at a time.
pub(super) struct Packing<'a> {
    arch: Arch,
    k: usize,
    n: usize,
    packed: &'a mut [f32],
}

impl<'a> Packing<'a> {
    pub(super) fn new([k, n]: [usize; 2], packed: &'a mut [f32]) -> Self {
        Self { arch: Arch::new(), k, n, packed }
    }

    /// Packs this many rows, of which the first is the matrix's row `first`.
    pub(super) fn set(&mut self, first: usize, rows: Strided<'_>, count: usize) {
        let width = self.arch.dispatch(Width);
        for (panel, packed) in self.packed.chunks_exact_mut(self.k * width).enumerate() {
            let column = panel * width;
            let columns = self.n.min(column + width) - column;
            let rows = Strided { data: &rows.data[column..], ..rows };
            let packed = &mut packed[first * width..][..count * width];
            self.arch.dispatch(PackRows { rows, columns, packed });
        }
    }

    /// The matrix, all rows of which have been set.
    pub(super) fn done(self) -> Panels<'a> {
        Panels { arch: self.arch, k: self.k, n: self.n, packed: self.packed }
    }
}

/// Writes the first columns of rows as a panel.
struct PackRows<'a> {
    rows: Strided<'a>,
    columns: usize,
    packed: &'a mut [f32],
}

impl WithSimd for PackRows<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { rows: Strided { data, row_stride, .. }, columns, packed } = self;
        let width = 2 * S::F32_LANES;
        if columns == width {
            // Of a length that the compiler knows.
            for row in 0..packed.len() / width {
                packed[row * width..][..width].copy_from_slice(&data[row * row_stride..][..width]);
            }
            return;
        }
        for row in 0..packed.len() / width {
            let (values, rest) = packed[row * width..][..width].split_at_mut(columns);
            values.copy_from_slice(&data[row * row_stride..][..columns]);
            rest.fill(0.0);
        }
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
            for tiles in (1..=self.rows.div_ceil(ROWS)).rev() {
                let a = self.a.rows_from(row);
                let out = &mut self.out[row * stride + column..];
                let rows = (self.rows - row).div_ceil(tiles);
                match rows {
                    1 => store::<S, 1>(simd, k, a, panel, out, stride),
                    2 => store::<S, 2>(simd, k, a, panel, out, stride),
                    3 => store::<S, 3>(simd, k, a, panel, out, stride),
                    4 => store::<S, 4>(simd, k, a, panel, out, stride),
                    5 => store::<S, 5>(simd, k, a, panel, out, stride),
                    _ => store::<S, ROWS>(simd, k, a, panel, out, stride),
                }
                row += rows;
            }
            column += width;
        }
    }
}

/// Stores the product of R rows of a matrix, or of a panel's transpose, and a panel.
#[inline(always)]
#[allow(clippy::needless_range_loop)] // see above
fn store<S: Simd, const R: usize>(simd: S, k: usize, a: Strided<'_>, panel: &[f32], out: &mut [f32], stride: usize) {
    let mut sums = [[simd.splat_f32s(0.0); 2]; R];
    let (panel, _) = S::as_simd_f32s(panel);
    let (steps, rest) = panel[..2 * k].as_chunks::<{ 2 * DEPTH }>();
    if a.column_stride == 1 {
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
                sums = add(simd, sums, &column, [steps[step][2 * depth], steps[step][2 * depth + 1]]);
            }
        }
        for depth in 0..rest.len() / 2 {
            let mut column = [0.0; R];
            for i in 0..R {
                column[i] = rows[i].1[depth];
            }
            sums = add(simd, sums, &column, [rest[2 * depth], rest[2 * depth + 1]]);
        }
    } else {
        // Rows of a panel are as far apart as the compiler knows.
        let width = 2 * S::F32_LANES;
        for step in 0..steps.len() {
            let columns = &a.data[step * DEPTH * width..][..(DEPTH - 1) * width + R];
            for depth in 0..DEPTH {
                let column = &columns[depth * width..][..R];
                sums = add(simd, sums, column, [steps[step][2 * depth], steps[step][2 * depth + 1]]);
            }
        }
        for depth in 0..rest.len() / 2 {
            let column = &a.data[(steps.len() * DEPTH + depth) * width..][..R];
            sums = add(simd, sums, column, [rest[2 * depth], rest[2 * depth + 1]]);
        }
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
    column: &[f32],
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
    fn transposes_of_panels_are_multiplied() {
        for rows in [1, 2, 3, 5, 8, 49] {
            for [m, n] in [[1, 1], [1, 17], [5, 3], [6, 9], [7, 33], [16, 16], [47, 5], [65, 40]] {
                let (left, right) = (whole(rows * m, 5), whole(rows * n, 3));
                for into in [Into::Overwrite, Into::Add] {
                    let mut memory = [m, n].map(|columns| vec![f32::NAN; Panels::len([rows, columns])]);
                    let [left_packed, right_packed] = &mut memory;
                    let pack = |matrix: &[f32], columns: usize, packed| {
                        let (mut packing, matrix) =
                            (Packing::new([rows, columns], packed), Strided::new(matrix, columns));
                        // In two parts.
                        let first = rows / 3;
                        packing.set(first, matrix.rows_from(first), rows - first);
                        packing.set(0, matrix, first);
                        packing.done()
                    };
                    let (panels, right_panels) = (pack(&left, m, left_packed), pack(&right, n, right_packed));
                    let mut out = whole(m * n, 4);
                    let before = out.clone();
                    let mut scratch = vec![f32::NAN; BLOCK * right_panels.stride()];
                    right_panels.multiply_transposed_into(panels, &mut out, into, &mut scratch);
                    for (i, got) in out.iter().enumerate() {
                        let (row, column) = (i / n, i % n);
                        let sum: f32 = (0..rows).map(|p| left[p * m + row] * right[p * n + column]).sum();
                        let want = if into == Into::Add { before[i] + sum } else { sum };
                        assert_eq!(*got, want, "({rows}, {m})ᵀ · ({rows}, {n}), row {row}, column {column}");
                    }
                }
            }
        }
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
