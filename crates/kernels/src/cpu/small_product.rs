//! Products of matrices that lie in cache, as those of attention's heads do, from operands as they are: packing them, and
//! memory to pack them into, would cost more than it gives.
//!
//! Loops go by index and nothing is a closure, so that all of it is inlined into the function that has the vectors'
//! instructions: what is not goes without, many times slower.

use pulp::Simd;

use super::gemm::Strided;

/// Rows of a tile of sums. With two vectors a row they take 12 registers, of the 16 that x86 has at least.
pub(super) const ROWS: usize = 6;

/// a · b, each row times a factor, where a is (m, k) with one of its strides 1, and b is (k, n), row-major.
#[derive(Clone, Copy)]
pub(crate) struct SmallProduct<'a> {
    pub(crate) k: usize,
    pub(crate) n: usize,
    pub(crate) a: Strided<'a>,
    pub(crate) b: Strided<'a>,
}

impl SmallProduct<'_> {
    /// Stores the rows, which are as many as the factors, `stride` apart in `out`.
    #[inline(always)]
    pub(crate) fn store<S: Simd>(self, simd: S, factors: &[f32], out: &mut [f32], stride: usize) {
        let mut first = 0;
        while first < factors.len() {
            let rows =
                Rows { product: Self { a: self.a.rows_from(first), ..self }, factors: &factors[first..], stride };
            let out = &mut out[first * stride..];
            match rows.factors.len() {
                1 => rows.store::<S, 1>(simd, out),
                2 => rows.store::<S, 2>(simd, out),
                3 => rows.store::<S, 3>(simd, out),
                4 => rows.store::<S, 4>(simd, out),
                5 => rows.store::<S, 5>(simd, out),
                _ => rows.store::<S, ROWS>(simd, out),
            }
            first += ROWS;
        }
    }
}

/// A product of which some first rows are to be stored, with a factor for each.
struct Rows<'a> {
    product: SmallProduct<'a>,
    factors: &'a [f32],
    stride: usize,
}

impl Rows<'_> {
    #[inline(always)]
    fn store<S: Simd, const R: usize>(&self, simd: S, out: &mut [f32]) {
        let (lanes, n) = (S::F32_LANES, self.product.n);
        let mut column = 0;
        while n - column >= 2 * lanes {
            self.tile::<S, R, 2>(simd, column, out);
            column += 2 * lanes;
        }
        if n - column >= lanes {
            self.tile::<S, R, 1>(simd, column, out);
            column += lanes;
        }
        if n > column {
            self.rest::<S, R>(simd, column, out);
        }
    }

    /// R rows of V vectors.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // see above
    fn tile<S: Simd, const R: usize, const V: usize>(&self, simd: S, column: usize, out: &mut [f32]) {
        let SmallProduct { k, a, b, .. } = self.product;
        let width = V * S::F32_LANES;
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        if a.column_stride == 1 {
            let mut rows = [&a.data[..k]; R];
            for i in 1..R {
                rows[i] = &a.data[i * a.row_stride..][..k];
            }
            for depth in 0..k {
                let (b, _) = S::as_simd_f32s(&b.data[depth * b.row_stride + column..][..width]);
                for i in 0..R {
                    let a = simd.splat_f32s(rows[i][depth]);
                    for v in 0..V {
                        sums[i][v] = simd.mul_add_e_f32s(a, b[v], sums[i][v]);
                    }
                }
            }
        } else {
            for depth in 0..k {
                let (b, _) = S::as_simd_f32s(&b.data[depth * b.row_stride + column..][..width]);
                let a = &a.data[depth * a.column_stride..][..R];
                for i in 0..R {
                    let a = simd.splat_f32s(a[i]);
                    for v in 0..V {
                        sums[i][v] = simd.mul_add_e_f32s(a, b[v], sums[i][v]);
                    }
                }
            }
        }
        for i in 0..R {
            let factor = simd.splat_f32s(self.factors[i]);
            let (out, _) = S::as_mut_simd_f32s(&mut out[i * self.stride + column..][..width]);
            for v in 0..V {
                out[v] = simd.mul_f32s(sums[i][v], factor);
            }
        }
    }

    /// R rows of the last columns, which are less than a vector.
    #[inline(always)]
    #[allow(clippy::needless_range_loop)] // see above
    fn rest<S: Simd, const R: usize>(&self, simd: S, column: usize, out: &mut [f32]) {
        let SmallProduct { k, n, a, b } = self.product;
        let mut sums = [simd.splat_f32s(0.0); R];
        for depth in 0..k {
            let b = simd.partial_load_f32s(&b.data[depth * b.row_stride + column..][..n - column]);
            for i in 0..R {
                let a = simd.splat_f32s(a.data[i * a.row_stride + depth * a.column_stride]);
                sums[i] = simd.mul_add_e_f32s(a, b, sums[i]);
            }
        }
        for i in 0..R {
            let sum = simd.mul_f32s(sums[i], simd.splat_f32s(self.factors[i]));
            simd.partial_store_f32s(&mut out[i * self.stride + column..][..n - column], sum);
        }
    }
}

/// Writes the first `columns` columns of rows, each as a row of `stride` elements that ends in zeros.
pub(crate) fn transpose(rows: Strided<'_>, [count, columns]: [usize; 2], out: &mut [f32], stride: usize) {
    let rows = || rows.data.chunks(rows.row_stride).take(count);
    // Four at a time, as rows have them side by side.
    let mut quads = out[..columns * stride].chunks_exact_mut(4 * stride);
    for (quad, out) in quads.by_ref().enumerate() {
        let (first, others) = out.split_at_mut(stride);
        let (second, others) = others.split_at_mut(stride);
        let (third, fourth) = others.split_at_mut(stride);
        let outs = first.iter_mut().zip(second).zip(third.iter_mut().zip(fourth));
        let four = rows().map(|row| &row[4 * quad..]).map(|row| [row[0], row[1], row[2], row[3]]);
        for (((a, b), (c, d)), row) in outs.zip(four.chain(std::iter::repeat([0.0; 4]))) {
            [*a, *b, *c, *d] = row;
        }
    }
    let whole = columns / 4 * 4;
    for (column, out) in (whole..).zip(quads.into_remainder().chunks_exact_mut(stride)) {
        for (out, value) in out.iter_mut().zip(rows().map(|row| row[column]).chain(std::iter::repeat(0.0))) {
            *out = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use pulp::{Arch, WithSimd};

    use super::*;

    struct Stored<'a>(SmallProduct<'a>, &'a [f32], &'a mut [f32], usize);

    impl WithSimd for Stored<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            self.0.store(simd, self.1, self.2, self.3);
        }
    }

    /// Whole numbers, so that all sums are exact.
    fn whole(len: usize, factor: usize) -> Vec<f32> {
        (0..len).map(|i| (i * factor % 7) as f32 - 3.0).collect()
    }

    #[test]
    fn all_rows_are_stored_and_nothing_else() {
        for m in [1, 2, 3, 4, 5, 6, 7, 12, 17, 49] {
            for (k, n) in [(1, 1), (3, 4), (5, 7), (32, 8), (7, 16), (4, 31), (9, 33), (49, 52)] {
                let (a, b, factors) = (whole(m * (k + 2), 5), whole(k * (n + 3), 3), whole(m, 2));
                let stride = n + 1;
                let column_major = whole(k * (m + 2), 5);
                let operands = [Strided::new(&a, k + 2), Strided::new(&column_major, m + 2).transposed()];
                for a in operands {
                    let mut out = vec![0.5; m * stride];
                    let product = SmallProduct { k, n, a, b: Strided::new(&b, n + 3) };
                    Arch::new().dispatch(Stored(product, &factors, &mut out, stride));
                    for (i, got) in out.iter().enumerate() {
                        let (row, column) = (i / stride, i % stride);
                        let term =
                            |p: usize| a.data[row * a.row_stride + p * a.column_stride] * b[p * (n + 3) + column];
                        let want = if column == n { 0.5 } else { factors[row] * (0..k).map(term).sum::<f32>() };
                        assert_eq!(*got, want, "({m}, {k}, {n}), row {row}, column {column}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_become_columns() {
        for (count, columns) in [(1, 1), (1, 4), (3, 7), (3, 8), (17, 12), (16, 6)] {
            let (from, stride) = (whole(count * 13, 3), 18);
            let mut out = vec![0.5; columns * stride + 1];
            transpose(Strided::new(&from, 13), [count, columns], &mut out, stride);
            for (i, got) in out[..columns * stride].iter().enumerate() {
                let (column, row) = (i / stride, i % stride);
                assert_eq!(*got, if row < count { from[row * 13 + column] } else { 0.0 }, "({count}, {columns})");
            }
            assert_eq!(out[columns * stride], 0.5);
        }
    }
}
