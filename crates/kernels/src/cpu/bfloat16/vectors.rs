//! Blocks of a product in vectors of AVX-512, which multiply pairs of bfloat16 and sum in f32.
#![allow(unsafe_code)] // instructions that compilers do not find on their own

use std::arch::x86_64::*;
use std::mem::transmute;

use runtime::VectorUnit;

use super::tile::{BLOCK, LINES, Tile};
use crate::cpu::gemm::Into;

/// Rows whose sums are in registers at once: with two vectors a row they are half of the 32 that there are.
const ROWS: usize = 8;

/// out (+)= a · b of 32 rows, `stride` apart, of 32 elements, from tiles of one part.
pub(super) fn multiply(_: VectorUnit, a: &[Tile], b: &[Tile], out: &mut [f32], stride: usize, into: Into) {
    for (first, out) in (0..BLOCK).step_by(ROWS).zip(out.chunks_mut(ROWS * stride)) {
        // SAFETY: there are these levels of AVX-512, as the argument shows.
        unsafe { multiply_rows(a, b, first, out, stride, into) };
    }
}

/// As [`multiply`], for [`ROWS`] rows from `first` on, which `out` has.
#[target_feature(enable = "avx512f,avx512bf16")]
fn multiply_rows(a: &[Tile], b: &[Tile], first: usize, out: &mut [f32], stride: usize, into: Into) {
    let mut sums = [[_mm512_setzero_ps(); 2]; ROWS];
    if into == Into::Add {
        for (row, sums) in sums.iter_mut().enumerate() {
            let out = &out[row * stride..][..BLOCK];
            for (sum, out) in sums.iter_mut().zip(out.as_chunks::<LINES>().0) {
                // SAFETY: 16 numbers are read of as many.
                *sum = unsafe { _mm512_loadu_ps(out.as_ptr()) };
            }
        }
    }
    let (half, first) = (first / LINES, first % LINES);
    for (a, b) in a.as_chunks::<2>().0.iter().zip(b.as_chunks::<2>().0) {
        // SAFETY: both are 1,024 bytes without meaning of their own.
        let rows: &[[i32; LINES]; LINES] = unsafe { transmute::<&Tile, _>(&a[half]) };
        let rows = &rows[first..][..ROWS];
        for pair in 0..LINES {
            let columns = [bfloat16(b[0].0[pair]), bfloat16(b[1].0[pair])];
            for (row, sums) in rows.iter().zip(&mut sums) {
                let factors = bfloat16(_mm512_set1_epi32(row[pair]));
                for (sum, columns) in sums.iter_mut().zip(columns) {
                    *sum = _mm512_dpbf16_ps(*sum, factors, columns);
                }
            }
        }
    }
    for (row, sums) in sums.iter().enumerate() {
        let out = &mut out[row * stride..][..BLOCK];
        for (sum, out) in sums.iter().zip(out.as_chunks_mut::<LINES>().0) {
            // SAFETY: 16 numbers are written where there are as many.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), *sum) };
        }
    }
}

/// 32 numbers from their bits.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn bfloat16(bits: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits without meaning of their own.
    unsafe { transmute::<__m512i, __m512bh>(bits) }
}
