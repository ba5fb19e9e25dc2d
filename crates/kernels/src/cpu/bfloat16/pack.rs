//! Rounding operands to bfloat16, in the order in which they are multiplied.
#![allow(unsafe_code)] // conversions and shuffles of AVX-512, which compilers do not find on their own

use std::arch::x86_64::*;
use std::ops::Range;

use super::tile::{DEPTH, LINES, Tile};
use super::{Parts, Unit};
use crate::cpu::gemm::Strided;

/// Which operand a tile is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Lines are rows.
    Left,
    /// Lines are pairs of rows.
    Right,
}

/// Fills a block's tiles with up to 32 lines in a range `inner` of their elements, then zeros. Lines are rows of `x`,
/// columns its inner dimension. The first of the parts is an element rounded to bfloat16, each further one what is left
/// once those before are taken away: three hold all 24 bits of an f32.
pub(super) fn pack(
    unit: Unit,
    x: Strided<'_>,
    side: Side,
    lines: Range<usize>,
    inner: Range<usize>,
    tiles: &mut [Tile],
) {
    // SAFETY: a unit of either kind is the proof of these levels of AVX-512.
    unsafe {
        match unit.parts() {
            Parts::One => pack_avx512::<1>(x, side, lines, inner, tiles),
            Parts::Three => pack_avx512::<3>(x, side, lines, inner, tiles),
        }
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pack_avx512<const PARTS: usize>(
    x: Strided<'_>,
    side: Side,
    lines: Range<usize>,
    inner: Range<usize>,
    tiles: &mut [Tile],
) {
    for (piece, tiles) in tiles.chunks_exact_mut(2 * PARTS).enumerate() {
        let first = inner.start + piece * DEPTH;
        let deep = (inner.end - first).min(DEPTH);
        for panel in 0..2 {
            let line = lines.start + panel * LINES;
            let wide = lines.end.saturating_sub(line).min(LINES);
            let at = line * x.row_stride + first * x.column_stride;
            let source = x.data.get(at..).unwrap_or_default();
            let mut parts: [_; PARTS] = split(&mut tiles[panel..]);
            // Whichever way is contiguous is loaded along; the other order takes a transposition.
            let transposed = if x.column_stride == 1 {
                rows(source, x.row_stride, [wide, deep], &mut parts);
                side == Side::Right
            } else {
                pairs(source, x.column_stride, [wide, deep], &mut parts);
                side == Side::Left
            };
            for tile in parts {
                if transposed {
                    tile.0 = transpose(tile.0);
                }
            }
        }
    }
}

/// Asks for a share, `part` of `parts`, of what [`pack`] will read.
pub(super) fn prefetch(x: Strided<'_>, lines: Range<usize>, inner: Range<usize>, [part, parts]: [usize; 2]) {
    let (outer, stride, along) =
        if x.column_stride == 1 { (lines, x.row_stride, inner) } else { (inner, x.column_stride, lines) };
    let share = |part: usize| outer.start + outer.len() * part / parts;
    for row in share(part)..share(part + 1) {
        for i in along.clone().step_by(16) {
            let address = x.data.as_ptr().wrapping_add(row * stride + i);
            // SAFETY: a prefetch reads nothing, and faults nowhere.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) };
        }
    }
}

/// Asks for a block of the product, to write it.
pub(super) fn prefetch_block(out: &[f32], stride: usize) {
    for row in 0..2 * LINES {
        for i in [0, 16] {
            let address = out.as_ptr().wrapping_add(row * stride + i);
            // SAFETY: a prefetch writes nothing, and faults nowhere.
            unsafe { _mm_prefetch::<_MM_HINT_ET0>(address.cast()) };
        }
    }
}

/// Every other tile.
fn split<const PARTS: usize>(tiles: &mut [Tile]) -> [&mut Tile; PARTS] {
    let mut every_other = tiles.iter_mut().step_by(2);
    std::array::from_fn(|_| every_other.next().unwrap_or_else(|| unreachable!("a piece has two tiles a part")))
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

/// `low`, then `high`, rounded to the nearest bfloat16, ties to even; then what is left of them, as often as there are
/// further parts. What is left of an infinity is a NaN.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn round<const PARTS: usize>(mut low: __m512, mut high: __m512) -> [__m512i; PARTS] {
    let mut parts = [_mm512_setzero_si512(); PARTS];
    for (part, rounded) in parts.iter_mut().enumerate() {
        // SAFETY: both are 512 bits without meaning of their own.
        *rounded = unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) };
        if part + 1 < PARTS {
            low = _mm512_sub_ps(low, widen(_mm512_castsi512_si256(*rounded)));
            high = _mm512_sub_ps(high, widen(_mm512_extracti64x4_epi64::<1>(*rounded)));
        }
    }
    parts
}

/// bfloat16 as f32, of which it is the upper half.
#[inline]
#[target_feature(enable = "avx512f")]
fn widen(x: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(x)))
}

/// Lines along which the source is contiguous.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn rows<const PARTS: usize>(source: &[f32], stride: usize, [wide, deep]: [usize; 2], parts: &mut [&mut Tile; PARTS]) {
    for line in 0..LINES {
        let rounded = if line < wide {
            let row = &source[line * stride..];
            let high = if deep > 16 { load(&row[16..], deep - 16) } else { _mm512_setzero_ps() };
            round(load(row, deep), high)
        } else {
            [_mm512_setzero_si512(); PARTS]
        };
        for (tile, rounded) in parts.iter_mut().zip(rounded) {
            tile.0[line] = rounded;
        }
    }
}

/// Pairs of elements of lines that lie next to each other in the source.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
fn pairs<const PARTS: usize>(source: &[f32], stride: usize, [wide, deep]: [usize; 2], parts: &mut [&mut Tile; PARTS]) {
    // Element i of the first and of the second half become neighbours.
    #[rustfmt::skip]
    let together = _mm512_set_epi16(
        31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8,
        23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0,
    );
    for pair in 0..LINES {
        let row = |row: usize| {
            if wide > 0 && row < deep { load(&source[row * stride..], wide) } else { _mm512_setzero_ps() }
        };
        let rounded: [_; PARTS] = round(row(2 * pair), row(2 * pair + 1));
        for (tile, rounded) in parts.iter_mut().zip(rounded) {
            tile.0[pair] = _mm512_permutexvar_epi16(together, rounded);
        }
    }
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
