//! Matrix products by what multiplies bfloat16 and sums in f32: the CPU's matrix unit, or vectors. An operand is either
//! rounded to bfloat16, or, for the matrix unit, split into three parts that hold all of an f32, of whose nine products the
//! six largest are added up: that is as near to the exact product as sums in f32 come.

pub(crate) mod feed_forward;
mod pack;
mod tile;
mod vectors;

use std::cell::Cell;
use std::ops::Range;

use rayon::prelude::*;
use runtime::{MatrixUnit, VectorUnit};

use self::pack::{Side, pack, prefetch, prefetch_block};
use self::tile::{BLOCK, Blocks, DEPTH, Packed, Tile};
use super::gemm::{Into, Strided};
use super::product::{Destination, in_slices, slices};
use super::scratch::lend;

/// Tiles that one task packs at least: 48 KiB.
const TILES_A_TASK: usize = 48;

/// Pieces of the inner dimension that a slice of it has at least.
const LEAST_SLICE: usize = 12;

/// What multiplies, and with it what operands are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    Matrix(MatrixUnit, Parts),
    /// Rounds its operands, since in three parts they would take three times as long as products of f32 in vectors do.
    Vector(VectorUnit),
}

impl Unit {
    /// For products as exact as those of f32: what makes them sooner than vectors of f32, if this CPU has it.
    pub(crate) fn exact() -> Option<Self> {
        MatrixUnit::get().map(|unit| Unit::Matrix(unit, Parts::Three))
    }

    /// For products of rounded operands: the fastest that this CPU has, which is one for which a device opens with
    /// [`runtime::Half::Bfloat16`].
    pub(crate) fn rounding() -> Self {
        let matrix = MatrixUnit::get().map(|unit| Unit::Matrix(unit, Parts::One));
        let unit = matrix.or_else(|| VectorUnit::get().map(Unit::Vector));
        unit.unwrap_or_else(|| unreachable!("no device opens for bfloat16 on a CPU that does not multiply it"))
    }

    /// All that this CPU has, with each of the parts that it takes: none, which is said, where it has nothing.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let matrix = MatrixUnit::get();
        let units = [Parts::One, Parts::Three].map(|parts| matrix.map(|unit| Unit::Matrix(unit, parts)));
        let units: Vec<_> = units.into_iter().flatten().chain(VectorUnit::get().map(Unit::Vector)).collect();
        if units.is_empty() {
            tests::report_lack("this CPU multiplies no bfloat16");
        }
        units
    }

    fn parts(self) -> Parts {
        match self {
            Unit::Matrix(_, parts) => parts,
            Unit::Vector(_) => Parts::One,
        }
    }
}

/// What operands are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parts {
    /// Their bfloat16.
    One,
    /// Three that hold all of an f32 from 2⁻¹⁰³ to 3.38e38: the unit takes parts below 2⁻¹²⁶ for zero, and larger numbers
    /// become NaN.
    Three,
}

impl Parts {
    /// Tiles that a block has in a piece of the inner dimension.
    fn tiles(self) -> usize {
        match self {
            Parts::One => 2,
            Parts::Three => 6,
        }
    }
}

/// A product's operands.
#[derive(Clone, Copy)]
struct Operands<'a> {
    unit: Unit,
    /// m, k and n.
    sizes: [usize; 3],
    a: Strided<'a>,
    b: Strided<'a>,
}

impl Operands<'_> {
    /// Blocks of columns.
    fn right_blocks(&self) -> usize {
        self.sizes[2].div_ceil(BLOCK)
    }

    /// Tiles of a block in a range of the inner dimension.
    fn tiles(&self, inner: &Range<usize>) -> usize {
        inner.len().div_ceil(DEPTH) * self.unit.parts().tiles()
    }

    /// Packs a block of columns of `b`.
    fn pack_right(&self, block: usize, inner: Range<usize>, tiles: &mut [Tile]) {
        self.pack(self.b.transposed(), Side::Right, block_of(block, self.sizes[2]), inner, tiles);
    }

    fn pack(&self, x: Strided<'_>, side: Side, lines: Range<usize>, inner: Range<usize>, tiles: &mut [Tile]) {
        pack(self.unit, x, side, lines, inner, tiles);
    }

    /// out (+)= a block of rows of `a` · all blocks of columns of `b`, both in a range of the inner dimension; `b` is
    /// packed in `right`, and `out` has up to 32 rows.
    fn multiply(
        &self,
        blocks: &Blocks,
        block: usize,
        inner: &Range<usize>,
        right: &[Tile],
        out: &mut [f32],
        into: Into,
    ) {
        let [m, _, n] = self.sizes;
        lend(&LEFT, self.tiles(inner), Tile::ZERO, |left| {
            self.pack(self.a, Side::Left, block_of(block, m), inner.clone(), left);
            let left = Packed { tiles: left, parts: self.unit.parts() };
            // The unit is slower to multiply than this is to ask for what comes next.
            let next = block_of(block + 1, m);
            let prefetch = |column| prefetch(self.a, next.clone(), inner.clone(), [column, self.right_blocks()]);
            multiply_block(
                blocks,
                left,
                right,
                Rows { rows: out.len() / n, columns: n, stride: n, out },
                into,
                prefetch,
            );
        });
    }
}

/// Rows of a product, up to 32.
struct Rows<'a> {
    out: &'a mut [f32],
    rows: usize,
    columns: usize,
    /// From one row to the next.
    stride: usize,
}

/// to (+)= a · b, where `left` is a block of rows of a, and `right` all blocks of columns of b. Calls `before` with the
/// index of each block of columns.
fn multiply_block(blocks: &Blocks, left: Packed<'_>, right: &[Tile], to: Rows<'_>, into: Into, before: impl Fn(usize)) {
    let Rows { out, rows, columns, stride } = to;
    for (column, right) in (0..columns).step_by(BLOCK).zip(right.chunks_exact(left.tiles.len())) {
        let right = Packed { tiles: right, ..left };
        before(column / BLOCK);
        let width = (columns - column).min(BLOCK);
        if [rows, width] == [BLOCK; 2] {
            if column + BLOCK < columns {
                prefetch_block(&out[column + BLOCK..], stride);
            }
            blocks.multiply(left, right, &mut out[column..], stride, into);
            continue;
        }
        // The unit knows whole blocks alone.
        let mut whole = [0.0; BLOCK * BLOCK];
        blocks.multiply(left, right, &mut whole, BLOCK, Into::Overwrite);
        for (out, whole) in out.chunks_mut(stride).take(rows).zip(whole.chunks_exact(BLOCK)) {
            for (out, whole) in out[column..][..width].iter_mut().zip(whole) {
                *out = if into == Into::Add { *out + whole } else { *whole };
            }
        }
    }
}

/// A block of 32 lines.
fn block_of(block: usize, lines: usize) -> Range<usize> {
    (block * BLOCK).min(lines)..lines.min((block + 1) * BLOCK)
}

thread_local! {
    static LEFT: Cell<Vec<Tile>> = const { Cell::new(Vec::new()) };
    static RIGHT: Cell<Vec<Tile>> = const { Cell::new(Vec::new()) };
}

/// out (+)= a · b, where a is (m, k), b is (k, n) and out is (m, n), row-major. No dimension is zero.
pub(crate) fn product(unit: Unit, sizes: [usize; 3], a: Strided<'_>, b: Strided<'_>, to: Destination<'_>) {
    let [m, k, n] = sizes;
    a.assert_holds(m, k);
    b.assert_holds(k, n);
    let contiguous = |x: Strided<'_>| x.row_stride == 1 || x.column_stride == 1;
    assert!(contiguous(a) && contiguous(b), "an operand has neither rows nor columns");
    let operands = Operands { unit, sizes, a, b };
    let slices = slices(sizes, LEAST_SLICE * DEPTH);
    if slices > 1 {
        by_slices(operands, slices, to);
    } else {
        by_rows(operands, to);
    }
}

/// All of `b` is packed first; then each task takes blocks of rows.
fn by_rows(operands: Operands<'_>, to: Destination<'_>) {
    let [_, k, n] = operands.sizes;
    let (inner, blocks, into) = (0..k, operands.right_blocks(), to.into);
    let tiles_a_block = operands.tiles(&inner);
    let blocks_a_task = TILES_A_TASK.div_ceil(tiles_a_block);
    lend(&RIGHT, blocks * tiles_a_block, Tile::ZERO, |right| {
        let packing = right.par_chunks_mut(tiles_a_block).with_min_len(blocks_a_task).enumerate();
        packing.for_each(|(block, tiles)| operands.pack_right(block, 0..k, tiles));
        let right = &*right;
        to.in_pieces(blocks_a_task * BLOCK, n, |first, out, finish| {
            let blocks = Blocks::new(operands.unit);
            for (i, out) in out.chunks_mut(BLOCK * n).enumerate() {
                operands.multiply(&blocks, first / BLOCK + i, &inner, right, out, into);
                finish(i * BLOCK, out);
            }
        });
    });
}

/// The inner dimension in slices, each as a task.
fn by_slices(operands: Operands<'_>, slices: usize, to: Destination<'_>) {
    let [_, k, n] = operands.sizes;
    let slice_len = k.div_ceil(DEPTH).div_ceil(slices) * DEPTH;
    in_slices(operands.sizes, slice_len, to, |inner, out| {
        let tiles_a_block = operands.tiles(&inner);
        lend(&RIGHT, operands.right_blocks() * tiles_a_block, Tile::ZERO, |right| {
            for (block, tiles) in right.chunks_exact_mut(tiles_a_block).enumerate() {
                operands.pack_right(block, inner.clone(), tiles);
            }
            let blocks = Blocks::new(operands.unit);
            for (block, out) in out.chunks_mut(BLOCK * n).enumerate() {
                operands.multiply(&blocks, block, &inner, right, out, Into::Overwrite);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::cpu::gemm::{Threads, gemm};

    /// Sizes below, at and above those of tiles, blocks, tasks and slices.
    const SIZES: [[usize; 3]; 10] = [
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

    /// Whole numbers from -`most` to `most`.
    fn whole(len: usize, factor: usize, most: usize) -> Vec<f32> {
        (0..len).map(|i| (i * factor % (2 * most + 1)) as f32 - most as f32).collect()
    }

    /// Says what is skipped, past the tests' capture of what passes.
    pub(super) fn report_lack(what: &str) {
        let _ = writeln!(std::io::stderr(), "SKIPPED: {what}");
    }

    fn to(out: &mut [f32], into: Into) -> Destination<'_> {
        Destination { out, into, finish: None, beside: &mut [] }
    }

    /// In the layouts of training. f32 holds all sums of these products: of numbers to 8, which bfloat16 holds, or to
    /// 2,048 on the left, which take two parts, and a sign on the right.
    #[test]
    fn products_of_whole_numbers_are_exact() {
        for [m, k, n] in SIZES {
            for unit in Unit::all() {
                let [most_a, most_b] = if unit.parts() == Parts::One { [8, 8] } else { [2048, 1] };
                let (a, b) = (whole(m * k, 7, most_a), whole(k * n, 5, most_b));
                let before = whole(m * n, 3, 8);
                for (a_transposed, b_transposed) in [(false, false), (false, true), (true, false)] {
                    let a = if a_transposed { Strided::new(&a, m).transposed() } else { Strided::new(&a, k) };
                    let b = if b_transposed { Strided::new(&b, k).transposed() } else { Strided::new(&b, n) };
                    for into in [Into::Overwrite, Into::Add] {
                        let (mut got, mut want) = (before.clone(), before.clone());
                        product(unit, [m, k, n], a, b, to(&mut got, into));
                        gemm([m, k, n], 1.0, a, b, &mut want, n, into, Threads::One);
                        assert!(got == want, "({m}, {k}, {n}), transposed: {a_transposed}, {b_transposed}, {unit:?}");
                    }
                }
            }
        }
    }

    /// Numbers of all 24 bits and both signs, over six powers of two.
    fn uneven(len: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state
        };
        let number = |bits: u32, power: u32| (bits as i32) as f32 * 2.0_f32.powi(power as i32 % 6 - 31);
        (0..len).map(|_| number(next(), next() >> 16)).collect()
    }

    /// The root of the mean square of the errors, in units of 2⁻²⁴ Σ |a · b|.
    fn error([m, k, n]: [usize; 3], a: &[f32], b: &[f32], got: &[f32]) -> f64 {
        let terms =
            |row: usize, column: usize| (0..k).map(move |i| f64::from(a[row * k + i]) * f64::from(b[i * n + column]));
        let squares = (0..m * n).map(|i| {
            let (row, column) = (i / n, i % n);
            let scale = terms(row, column).map(f64::abs).sum::<f64>() / f64::from(1 << 24);
            ((f64::from(got[i]) - terms(row, column).sum::<f64>()) / scale).powi(2)
        });
        (squares.sum::<f64>() / (m * n) as f64).sqrt()
    }

    /// (rows, columns), row-major, the other way round.
    fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
        (0..x.len()).map(|i| x[i % rows * columns + i / rows]).collect()
    }

    /// A product of one term is rounded once, by half a unit; of many terms each sum is, and the unit sums in another
    /// order than the crate.
    const ROUNDED_ONCE: f64 = 0.5;
    const ANOTHER_ORDER: f64 = 2.0;

    /// Three parts are as good as products in f32 are: nowhere are they much worse than those of the crate, in any
    /// layout of training. (The largest sizes are left out, because the exact sums take long.)
    #[test]
    fn three_parts_are_as_exact_as_f32() {
        let Some(unit) = Unit::exact() else {
            report_lack("this CPU has no matrix unit");
            return;
        };
        for sizes in SIZES.into_iter().filter(|[m, k, n]| m * n * k < 1 << 23) {
            let [m, k, n] = sizes;
            let (a, b) = (uneven(m * k, 1), uneven(k * n, 2));
            let (a_columns, b_columns) = (transposed(&a, m, k), transposed(&b, k, n));
            let [left, right] = [Strided::new(&a, k), Strided::new(&b, n)];
            let mut f32 = vec![0.0; m * n];
            gemm(sizes, 1.0, left, right, &mut f32, n, Into::Overwrite, Threads::One);
            let f32 = error(sizes, &a, &b, &f32);
            let a_transposed = Strided::new(&a_columns, m).transposed();
            let b_transposed = Strided::new(&b_columns, k).transposed();
            for (left, right) in [(left, right), (left, b_transposed), (a_transposed, right)] {
                let mut got = vec![0.0; m * n];
                product(unit, sizes, left, right, to(&mut got, Into::Overwrite));
                let got = error(sizes, &a, &b, &got);
                println!("{sizes:?}: three parts {got:.3}, f32 {f32:.3}");
                assert!(got < ANOTHER_ORDER * f32.max(ROUNDED_ONCE), "{sizes:?}: {got} beside {f32}");
            }
        }
    }

    #[test]
    fn what_is_no_number_stays_none_and_what_is_too_large_becomes_none() {
        for unit in Unit::all() {
            for value in [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::from_bits(0x7f80_0001), f32::MAX] {
                let mut out = [7.0; 2];
                let (x, one) = ([value, 1.0], [1.0]);
                let (x, one) = (Strided::new(&x, 1), Strided::new(&one, 1));
                product(unit, [2, 1, 1], x, one, to(&mut out, Into::Overwrite));
                assert!(!out[0].is_finite() && out[1] == 1.0, "{value} gives {out:?}, {unit:?}");
            }
        }
    }

    /// By the unit matrix: what is left of a number is its bfloat16.
    #[test]
    fn operands_are_rounded_to_the_nearest() {
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
        let rounding = Unit::all().into_iter().filter(|unit| unit.parts() == Parts::One);
        for (unit, (value, want)) in rounding.flat_map(|unit| cases.map(|case| (unit, case))) {
            for values_left in [true, false] {
                let (x, one, mut out) = ([value; 3], [1.0], [7.0; 3]);
                let (x, one) = (Strided::new(&x, 1), Strided::new(&one, 1));
                let out_of = to(&mut out, Into::Overwrite);
                if values_left {
                    product(unit, [3, 1, 1], x, one, out_of);
                } else {
                    product(unit, [1, 1, 3], one, x.transposed(), out_of);
                }
                for got in out {
                    assert!(
                        got == want || got.is_nan() && want.is_nan(),
                        "{value:e} becomes {got:e}, not {want:e}, {unit:?}"
                    );
                }
            }
        }
    }
}
