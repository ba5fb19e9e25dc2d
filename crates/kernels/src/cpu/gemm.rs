//! Matrix products on the CPU: the one door to the `gemm` crate.
#![allow(unsafe_code)] // the crate takes raw pointers; bounds are checked here, once a product

use gemm::Parallelism;

/// A matrix inside a slice: element (i, j) is at `i · row_stride + j · column_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Strided<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) row_stride: usize,
    pub(crate) column_stride: usize,
}

impl<'a> Strided<'a> {
    /// Row-major, rows `row_stride` apart.
    pub(crate) fn new(data: &'a [f32], row_stride: usize) -> Self {
        Self { data, row_stride, column_stride: 1 }
    }

    pub(crate) fn transposed(self) -> Self {
        Self { row_stride: self.column_stride, column_stride: self.row_stride, ..self }
    }

    /// The same without the rows before this one.
    pub(crate) fn rows_from(self, first: usize) -> Self {
        Self { data: &self.data[first * self.row_stride..], ..self }
    }

    pub(super) fn assert_holds(&self, rows: usize, columns: usize) {
        assert!(
            last(rows, columns, self.row_stride, self.column_stride) < self.data.len(),
            "a matrix leaves its slice"
        );
    }
}

fn last(rows: usize, columns: usize, row_stride: usize, column_stride: usize) -> usize {
    (rows - 1) * row_stride + (columns - 1) * column_stride
}

/// How a product meets what is in its destination.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Into {
    Overwrite,
    Add,
}

/// Whether a product may use all threads, or runs on the one that asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Threads {
    All,
    One,
}

/// out (+)= scale · a · b, where a is (m, k), b is (k, n) and out is (m, n), row-major with rows
/// `out_stride` apart. No dimension is zero.
#[allow(clippy::too_many_arguments)] // the arguments of BLAS
pub(crate) fn gemm(
    [m, k, n]: [usize; 3],
    scale: f32,
    a: Strided<'_>,
    b: Strided<'_>,
    out: &mut [f32],
    out_stride: usize,
    into: Into,
    threads: Threads,
) {
    a.assert_holds(m, k);
    b.assert_holds(k, n);
    assert!(out_stride >= n && last(m, n, out_stride, 1) < out.len(), "a product leaves its slice");
    let keep = if into == Into::Add { 1.0 } else { 0.0 };
    let parallelism = if threads == Threads::All { Parallelism::Rayon(0) } else { Parallelism::None };
    // SAFETY: the pointers come from live slices; the asserts above put the last element that each
    // set of strides reaches inside its slice; `out` is borrowed mutably, so it overlaps neither.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr(),
            1,
            out_stride as isize,
            into == Into::Add,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            keep,
            scale,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    /// Whether a product of (2, 3) and (3, 4) is taken, with rows of `a` and `out` and columns of `b`
    /// this far apart, in slices this long.
    fn fits([a_stride, b_stride, out_stride]: [usize; 3], [a, b, out]: [usize; 3]) -> bool {
        catch_unwind(|| {
            let (a, b, mut out) = (vec![1.0; a], vec![1.0; b], vec![0.0; out]);
            let (a, b) = (Strided::new(&a, a_stride), Strided::new(&b, b_stride).transposed());
            gemm([2, 3, 4], 1.0, a, b, &mut out, out_stride, Into::Overwrite, Threads::One);
            assert_eq!(out[out_stride..][..4], [3.0; 4]);
        })
        .is_ok()
    }

    #[test]
    fn what_leaves_a_slice_is_refused() {
        assert!(fits([5, 7, 6], [8, 24, 10]));
        assert!(!fits([5, 7, 6], [7, 24, 10]));
        assert!(!fits([5, 7, 6], [8, 23, 10]));
        assert!(!fits([5, 7, 6], [8, 24, 9]));
    }

    #[test]
    fn rows_that_overlap_are_refused() {
        assert!(fits([3, 3, 4], [6, 12, 8]));
        assert!(!fits([3, 3, 3], [6, 12, 8]));
    }
}
