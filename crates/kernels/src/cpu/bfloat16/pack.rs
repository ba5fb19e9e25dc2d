//! Rounding operands to bfloat16, in the order in which the matrix unit reads them.
#![allow(unsafe_code)] // conversions and shuffles of AVX-512, which compilers do not find on their own

use std::arch::x86_64::*;

use runtime::MatrixUnit;

use super::tile::{DEPTH, LINES, Tile};
use crate::cpu::gemm::Strided;

/// Which operand a tile is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Lines are rows.
    Left,
    /// Lines are pairs of rows.
    Right,
}

/// Fills a tile for each 16 of the `lines` from `first_line` on, in elements `first..first + 32` of their inner
/// dimension, which has `k`; zeros beyond the end of either. Lines are rows of `x`, columns its inner dimension.
pub(super) fn pack(
    _: MatrixUnit,
    x: Strided<'_>,
    side: Side,
    [first_line, lines]: [usize; 2],
    [first, k]: [usize; 2],
    tiles: &mut [Tile],
) {
    // SAFETY: there is a matrix unit, as the argument shows, and with it come these levels of AVX-512.
    unsafe { pack_avx512(x, side, [first_line, lines], [first, k], tiles) }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack_avx512(
    x: Strided<'_>,
    side: Side,
    [first_line, lines]: [usize; 2],
    [first, k]: [usize; 2],
    tiles: &mut [Tile],
) {
    let deep = (k - first).min(DEPTH);
    for (panel, tile) in tiles.iter_mut().enumerate() {
        let line = first_line + panel * LINES;
        let wide = lines.saturating_sub(line).min(LINES);
        let at = line * x.row_stride + first * x.column_stride;
        let source = x.data.get(at..).unwrap_or_default();
        // Whichever way is contiguous is loaded along; the other order takes a transposition.
        if x.column_stride == 1 {
            let packed = rows(source, x.row_stride, [wide, deep]);
            store(tile, if side == Side::Left { packed } else { transpose(packed) });
        } else {
            let packed = pairs(source, x.column_stride, [wide, deep]);
            store(tile, if side == Side::Right { packed } else { transpose(packed) });
        }
    }
}

/// Lanes that are below `count`.
fn below(count: usize) -> __mmask16 {
    if count >= 16 { 0xffff } else { (1 << count) - 1 }
}

/// The first `count` of 16 elements, then zeros.
#[inline]
#[target_feature(enable = "avx512f")]
fn load(source: &[f32], count: usize) -> __m512 {
    let source = &source[..count.min(16)];
    // SAFETY: lanes beyond the slice's end are not read.
    unsafe { _mm512_maskz_loadu_ps(below(source.len()), source.as_ptr()) }
}

/// `low`, then `high`, rounded to the nearest bfloat16, ties to even.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn round(low: __m512, high: __m512) -> __m512i {
    // SAFETY: both are 512 bits without meaning of their own.
    unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
}

/// Lines along which the source is contiguous.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn rows(source: &[f32], stride: usize, [wide, deep]: [usize; 2]) -> [__m512i; 16] {
    let mut lines = [_mm512_setzero_si512(); 16];
    for (i, line) in lines.iter_mut().enumerate().take(wide) {
        let row = &source[i * stride..];
        let high = if deep > 16 { load(&row[16..], deep - 16) } else { _mm512_setzero_ps() };
        *line = round(load(row, deep), high);
    }
    lines
}

/// Pairs of elements of lines that lie next to each other in the source.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pairs(source: &[f32], stride: usize, [wide, deep]: [usize; 2]) -> [__m512i; 16] {
    // Element i of the first and of the second half become neighbours.
    #[rustfmt::skip]
    let together = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
        23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0,
    );
    let mut lines = [_mm512_setzero_si512(); 16];
    if wide == 0 {
        return lines;
    }
    for (pair, line) in lines.iter_mut().enumerate().take(deep.div_ceil(2)) {
        let even = load(&source[2 * pair * stride..], wide);
        let odd = 2 * pair + 1;
        let odd = if odd < deep { load(&source[odd * stride..], wide) } else { _mm512_setzero_ps() };
        *line = _mm512_permutexvar_epi16(together, round(even, odd));
    }
    lines
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(tile: &mut Tile, lines: [__m512i; 16]) {
    // SAFETY: both are 16 lines of 64 bytes.
    tile.0 = unsafe { std::mem::transmute::<[__m512i; 16], [u32; 256]>(lines) };
}

/// Element (i, j) of 16 × 16 words becomes (j, i).
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(x: [__m512i; 16]) -> [__m512i; 16] {
    let mut words = [_mm512_setzero_si512(); 16];
    for i in 0..8 {
        words[2 * i] = _mm512_unpacklo_epi32(x[2 * i], x[2 * i + 1]);
        words[2 * i + 1] = _mm512_unpackhi_epi32(x[2 * i], x[2 * i + 1]);
    }
    // Of each group of four rows, word j of each quarter, side by side.
    let mut quads = [_mm512_setzero_si512(); 16];
    for i in 0..4 {
        let [a, b, c, d] = [words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]];
        quads[4 * i] = _mm512_unpacklo_epi64(a, c);
        quads[4 * i + 1] = _mm512_unpackhi_epi64(a, c);
        quads[4 * i + 2] = _mm512_unpacklo_epi64(b, d);
        quads[4 * i + 3] = _mm512_unpackhi_epi64(b, d);
    }
    let mut out = [_mm512_setzero_si512(); 16];
    for j in 0..4 {
        let [a, b, c, d] = [quads[j], quads[4 + j], quads[8 + j], quads[12 + j]];
        let (ab_even, ab_odd) = (_mm512_shuffle_i32x4::<0x88>(a, b), _mm512_shuffle_i32x4::<0xdd>(a, b));
        let (cd_even, cd_odd) = (_mm512_shuffle_i32x4::<0x88>(c, d), _mm512_shuffle_i32x4::<0xdd>(c, d));
        out[j] = _mm512_shuffle_i32x4::<0x88>(ab_even, cd_even);
        out[4 + j] = _mm512_shuffle_i32x4::<0x88>(ab_odd, cd_odd);
        out[8 + j] = _mm512_shuffle_i32x4::<0xdd>(ab_even, cd_even);
        out[12 + j] = _mm512_shuffle_i32x4::<0xdd>(ab_odd, cd_odd);
    }
    out
}
