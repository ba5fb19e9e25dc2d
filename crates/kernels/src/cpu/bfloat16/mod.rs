//! Matrix products on the CPU's matrix unit: operands rounded to bfloat16, sums in f32.

mod pack;
mod tile;

use std::cell::RefCell;
use std::thread::LocalKey;

use multiversion::multiversion;
use rayon::prelude::*;
use runtime::MatrixUnit;

use self::pack::{Side, pack};
use self::tile::{BLOCK, DEPTH, LINES, Panels, Tile, Tiles};
use super::gemm::{Into, Strided};
use super::parallel;

/// Tiles that one task packs: 64 KiB.
const TILES_A_TASK: usize = 64;

/// Tiles along the inner dimension that a slice has at least.
const LEAST_SLICE: usize = 12;

thread_local! {
    static TILES: RefCell<Vec<Tile>> = const { RefCell::new(Vec::new()) };
    static PARTIALS: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Lends `body` this many elements with unspecified contents, which the thread keeps from one call to the next.
fn lend<T: Copy, R>(
    kept: &'static LocalKey<RefCell<Vec<T>>>,
    count: usize,
    zero: T,
    body: impl FnOnce(&mut [T]) -> R,
) -> R {
    // Taken, not borrowed: a thread that waits for its tasks may start another product.
    let mut elements = kept.take();
    if elements.len() < count {
        elements.resize(count, zero);
    }
    let result = body(&mut elements[..count]);
    kept.set(elements);
    result
}

fn with_tiles<R>(count: usize, body: impl FnOnce(&mut [Tile]) -> R) -> R {
    lend(&TILES, count, Tile::ZERO, body)
}

/// out (+)= a · b, where a is (m, k), b is (k, n) and out is (m, n), row-major. No dimension is zero.
pub(crate) fn product(
    unit: MatrixUnit,
    sizes: [usize; 3],
    a: Strided<'_>,
    b: Strided<'_>,
    out: &mut [f32],
    into: Into,
) {
    let [m, k, n] = sizes;
    a.assert_holds(m, k);
    b.assert_holds(k, n);
    assert!(out.len() == m * n, "a product does not fill its slice");
    // Slices of the inner dimension where it is much longer than both others, as in the gradient of a weight: each
    // operand is read once. What they add up to is written and read once more, for half of that at most.
    let slices = (k.div_ceil(DEPTH) / LEAST_SLICE).min(k * (m + n) / (2 * m * n));
    if slices > 1 {
        by_slices(unit, sizes, slices, a, b, out, into);
    } else {
        by_rows(unit, sizes, a, b, out, into);
    }
}

/// All of `b` is packed first, then each task packs its rows of `a`.
fn by_rows(unit: MatrixUnit, [_, k, n]: [usize; 3], a: Strided<'_>, b: Strided<'_>, out: &mut [f32], into: Into) {
    let (depth, panels) = (k.div_ceil(DEPTH), panels(n));
    let rows_a_task = BLOCK * (TILES_A_TASK / (2 * depth)).max(1);
    with_tiles(depth * panels, |packed| {
        let pieces = packed.par_chunks_mut(panels).with_min_len(TILES_A_TASK.div_ceil(panels)).enumerate();
        pieces.for_each(|(piece, packed)| {
            pack(unit, b.transposed(), Side::Right, [0, n], [piece * DEPTH, k], packed);
        });
        let right = Panels { tiles: packed, panels };
        out.par_chunks_mut(rows_a_task * n).enumerate().for_each(|(task, out)| {
            let (first, rows) = (task * rows_a_task, out.len() / n);
            with_tiles(depth * self::panels(rows), |packed| {
                let panels = self::panels(rows);
                for (piece, packed) in packed.chunks_exact_mut(panels).enumerate() {
                    pack(unit, a, Side::Left, [first, first + rows], [piece * DEPTH, k], packed);
                }
                multiply(&Tiles::new(unit), Panels { tiles: packed, panels }, right, out, n, into);
            });
        });
    });
}

/// The inner dimension in slices, whose products are added up in their order at the end.
fn by_slices(
    unit: MatrixUnit,
    [m, k, n]: [usize; 3],
    slices: usize,
    a: Strided<'_>,
    b: Strided<'_>,
    out: &mut [f32],
    into: Into,
) {
    let depth = k.div_ceil(DEPTH);
    let pieces = depth.div_ceil(slices);
    let slices = depth.div_ceil(pieces);
    let (above, beside) = (panels(m), panels(n));
    lend(&PARTIALS, slices * m * n, 0.0, |partials| {
        partials.par_chunks_mut(m * n).enumerate().for_each(|(slice, partial)| {
            let first = slice * pieces;
            let pieces = pieces.min(depth - first);
            with_tiles(pieces * (above + beside), |packed| {
                let (left, right) = packed.split_at_mut(pieces * above);
                let both = left.chunks_exact_mut(above).zip(right.chunks_exact_mut(beside));
                for (piece, (left, right)) in (first..).zip(both) {
                    pack(unit, a, Side::Left, [0, m], [piece * DEPTH, k], left);
                    pack(unit, b.transposed(), Side::Right, [0, n], [piece * DEPTH, k], right);
                }
                let (left, right) = (Panels { tiles: left, panels: above }, Panels { tiles: right, panels: beside });
                multiply(&Tiles::new(unit), left, right, partial, n, Into::Overwrite);
            });
        });
        parallel::chunks(out, |first, out| add_up(partials, m * n, first, out, into));
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

/// Groups of 16 rows or columns that operands of blocks have.
fn panels(lines: usize) -> usize {
    lines.div_ceil(BLOCK) * (BLOCK / LINES)
}

/// out (+)= left · right; `out` has rows of `n` elements.
fn multiply(tiles: &Tiles, left: Panels<'_>, right: Panels<'_>, out: &mut [f32], n: usize, into: Into) {
    for (block, out) in out.chunks_mut(BLOCK * n).enumerate() {
        let left = (left, block * BLOCK / LINES);
        for column in (0..n).step_by(BLOCK) {
            let right = (right, column / LINES);
            let (rows, columns) = (out.len() / n, (n - column).min(BLOCK));
            if [rows, columns] == [BLOCK; 2] {
                tiles.multiply(left, right, &mut out[column..], n, into);
                continue;
            }
            // Blocks are whole in the unit.
            let mut whole = [0.0; BLOCK * BLOCK];
            tiles.multiply(left, right, &mut whole, BLOCK, Into::Overwrite);
            for (out, whole) in out.chunks_exact_mut(n).zip(whole.chunks_exact(BLOCK)) {
                for (out, whole) in out[column..][..columns].iter_mut().zip(whole) {
                    *out = if into == Into::Add { *out + whole } else { *whole };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::gemm::{Threads, gemm};

    /// Whole numbers from -8 to 8: bfloat16 holds them, and f32 all sums of their products here.
    fn whole(len: usize, factor: usize) -> Vec<f32> {
        (0..len).map(|i| (i * factor % 17) as f32 - 8.0).collect()
    }

    /// Sizes below, at and above those of tiles, blocks, tasks and slices, in the layouts of training.
    #[test]
    fn products_of_whole_numbers_are_exact() {
        let Some(unit) = MatrixUnit::get() else { return };
        let sizes = [
            [1, 1, 1],
            [16, 32, 16],
            [17, 33, 15],
            [32, 64, 32],
            [33, 31, 65],
            [2100, 5, 3],
            [130, 300, 70],
            [70, 1500, 45],
            [64, 3136, 32],
            [1, 900, 1],
        ];
        for [m, k, n] in sizes {
            let (a, b, before) = (whole(m * k, 7), whole(k * n, 5), whole(m * n, 3));
            for (a_transposed, b_transposed) in [(false, false), (false, true), (true, false)] {
                let a = if a_transposed { Strided::new(&a, m).transposed() } else { Strided::new(&a, k) };
                let b = if b_transposed { Strided::new(&b, k).transposed() } else { Strided::new(&b, n) };
                for into in [Into::Overwrite, Into::Add] {
                    let (mut got, mut want) = (before.clone(), before.clone());
                    product(unit, [m, k, n], a, b, &mut got, into);
                    gemm([m, k, n], 1.0, a, b, &mut want, n, into, Threads::One);
                    assert!(got == want, "({m}, {k}, {n}), transposed: {a_transposed}, {b_transposed}");
                }
            }
        }
    }

    /// By the unit matrix: what is left of a number is its bfloat16.
    #[test]
    fn operands_are_rounded_to_the_nearest() {
        let Some(unit) = MatrixUnit::get() else { return };
        let cases = [
            (1.0 + 2.0_f32.powi(-7), 1.0 + 2.0_f32.powi(-7)),
            // Ties go to the even one.
            (1.0 + 2.0_f32.powi(-8), 1.0),
            (1.0 + 3.0 * 2.0_f32.powi(-8), 1.0 + 2.0_f32.powi(-6)),
            (1.0 + 2.0_f32.powi(-8) + f32::EPSILON, 1.0 + 2.0_f32.powi(-7)),
            (-1e30, -f32::from_bits(0x714a << 16)),
            (3.4e38, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
            (1e-39, 0.0),
            // A number that only the lowest bits tell from an infinity.
            (f32::from_bits(0x7f80_0001), f32::NAN),
        ];
        for (value, want) in cases {
            for values_left in [true, false] {
                let (x, one, mut out) = ([value; 3], [1.0], [7.0; 3]);
                let (x, one) = (Strided::new(&x, 1), Strided::new(&one, 1));
                if values_left {
                    product(unit, [3, 1, 1], x, one, &mut out, Into::Overwrite);
                } else {
                    product(unit, [1, 1, 3], one, x.transposed(), &mut out, Into::Overwrite);
                }
                for got in out {
                    assert!(got == want || got.is_nan() && want.is_nan(), "{value:e} becomes {got:e}, not {want:e}");
                }
            }
        }
    }
}
