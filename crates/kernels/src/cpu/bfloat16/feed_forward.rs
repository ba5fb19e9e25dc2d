//! Two linear layers around GELU in bfloat16, a few rows at a time: what is between the layers stays in cache,
//! and the gradient makes it again.
//!
//! The matrix unit takes most of a microsecond to start after other work, so that all that a step multiplies is packed first.

use std::cell::Cell;
use std::ops::Range;

use multiversion::multiversion;
use rayon::prelude::*;

use super::pack::{Side, pack};
use super::tile::{BLOCK, Blocks, DEPTH, Packed, Tile};
use super::{LEFT, RIGHT, Rows, block_of, multiply_block};
use crate::cpu::feed_forward::{FeedForward, Gradients, SLICE};
use crate::cpu::gemm::{Into, Strided};
use crate::cpu::product::Destination;
use crate::cpu::scratch::{lend, take};
use crate::cpu::{math, sum};

/// Rows, and columns between the layers, that the gradient takes at a time: what they need in four products, packed,
/// and the weights' share, fit into L2 at the widths of small models.
const ROWS: usize = 4 * BLOCK;
const COLUMNS: usize = 4 * BLOCK;

const _: () = assert!(SLICE.is_multiple_of(ROWS), "slices are whole");

/// Columns by which rows of the scratch are longer than they need to be: else rows of a power of two would drive each
/// other out of the cache.
const PADDING: usize = 16;

thread_local! {
    static BETWEEN: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
    static OPERANDS: Cell<Vec<Tile>> = const { Cell::new(Vec::new()) };
}

/// A matrix that is to be packed: its lines, and their elements, which a product sums over.
#[derive(Clone, Copy)]
struct Lines<'a> {
    x: Strided<'a>,
    lines: usize,
    inner: usize,
}

impl<'a> Lines<'a> {
    /// Rows of a matrix with rows `stride` apart: a range of their elements.
    fn new(data: &'a [f32], stride: usize, rows: usize, columns: Range<usize>) -> Self {
        Self { x: Strided::new(&data[columns.start..], stride), lines: rows, inner: columns.len() }
    }

    fn transposed(self) -> Self {
        Self { x: self.x.transposed(), lines: self.inner, inner: self.lines }
    }
}

impl FeedForward<'_> {
    /// Tiles of a block of lines with this many elements.
    fn tiles(&self, inner: usize) -> usize {
        inner.div_ceil(DEPTH) * self.unit.parts().tiles()
    }

    fn tiles_of(&self, lines: usize, inner: usize) -> usize {
        lines.div_ceil(BLOCK) * self.tiles(inner)
    }

    fn pack<'a>(&self, lines: Lines<'_>, side: Side, tiles: &'a mut [Tile]) -> &'a [Tile] {
        let Lines { x, lines, inner } = lines;
        for (block, tiles) in tiles.chunks_exact_mut(self.tiles(inner)).enumerate() {
            pack(self.unit, x, side, block_of(block, lines), 0..inner, tiles);
        }
        tiles
    }

    /// out (+)= a · b: `left` holds the rows of a, `right` the columns of b, each with `inner` elements; `out` has this
    /// many rows and columns, `stride` apart.
    #[allow(clippy::too_many_arguments)] // a product has two operands, three sizes and a destination
    fn multiply(
        &self,
        blocks: &Blocks,
        inner: usize,
        left: &[Tile],
        right: &[Tile],
        out: &mut [f32],
        [rows, columns, stride]: [usize; 3],
        into: Into,
    ) {
        for (block, left) in left.chunks_exact(self.tiles(inner)).enumerate() {
            let rows = block_of(block, rows);
            let left = Packed { tiles: left, parts: self.unit.parts() };
            let to = Rows { out: &mut out[rows.start * stride..], rows: rows.len(), columns, stride };
            multiply_block(blocks, left, right, to, into, |_| ());
        }
    }
}

/// The result, without the second layer's bias, goes to `to`, which is (rows, out).
pub(crate) fn forward(layers: FeedForward<'_>, to: Destination<'_>) {
    let [width, hidden, out_width] = layers.widths;
    let [first, second] = layers.weights;
    let first = Lines::new(first, width, hidden, 0..width);
    let second = Lines::new(second, hidden, out_width, 0..hidden);
    let counts = [first, second].map(|lines| layers.tiles_of(lines.lines, lines.inner));
    let stride = hidden.next_multiple_of(BLOCK) + PADDING;
    let into = to.into;
    lend(&RIGHT, counts[0] + counts[1], Tile::ZERO, |right| {
        let (right_first, right_second) = right.split_at_mut(counts[0]);
        for (lines, right) in [(first, &mut *right_first), (second, &mut *right_second)] {
            let blocks = right.par_chunks_exact_mut(layers.tiles(lines.inner)).enumerate();
            blocks.for_each(|(block, right)| {
                let block = block_of(block, lines.lines);
                pack(layers.unit, lines.x, Side::Right, block, 0..lines.inner, right);
            });
        }
        to.in_pieces(BLOCK, out_width, |start, out, finish| {
            let rows = out.len() / out_width;
            let blocks = Blocks::new(layers.unit);
            let x = Lines::new(&layers.x[start * width..], width, rows, 0..width);
            lend(&BETWEEN, BLOCK * stride, 0.0, |between| {
                lend(&LEFT, layers.tiles(width.max(hidden)), Tile::ZERO, |left| {
                    let x = layers.pack(x, Side::Left, &mut left[..layers.tiles(width)]);
                    let to = [rows, hidden, stride];
                    layers.multiply(&blocks, width, x, right_first, between, to, Into::Overwrite);
                    activate(&mut between[..rows * stride], stride, layers.bias);
                    let between = Lines::new(between, stride, rows, 0..hidden);
                    let between = layers.pack(between, Side::Left, &mut left[..layers.tiles(hidden)]);
                    layers.multiply(&blocks, hidden, between, right_second, out, [rows, out_width, out_width], into);
                });
            });
            finish(0, out);
        });
    });
}

/// The weights of [`COLUMNS`] columns between the layers, packed as right operands for the three products that give x's
/// gradient.
#[derive(Clone, Copy)]
struct Weights<'a> {
    /// x · weight₁ᵀ
    first: &'a [Tile],
    /// upstream · weight₂
    second: &'a [Tile],
    /// (the gradient at what GELU was given) · weight₁
    first_transposed: &'a [Tile],
}

/// From the gradient at the result, (rows, out), to all others.
pub(crate) fn backward(layers: FeedForward<'_>, upstream: &[f32], gradients: Gradients<'_>) {
    let hidden = layers.widths[1];
    let tiles_of_chunk = layers.tiles_of_weights(COLUMNS);
    let whole = hidden / COLUMNS * tiles_of_chunk;
    let rest = if hidden.is_multiple_of(COLUMNS) { 0 } else { layers.tiles_of_weights(hidden % COLUMNS) };
    lend(&RIGHT, whole + rest, Tile::ZERO, |packed| {
        packed.par_chunks_mut(tiles_of_chunk).enumerate().for_each(|(chunk, tiles)| layers.pack_weights(chunk, tiles));
        let packed = &*packed;
        let blocks = || Blocks::new(layers.unit);
        gradients.in_slices(layers.widths, [SLICE, ROWS], blocks, |blocks, first, gradients, into| {
            layers.backward_rows(blocks, packed, first, upstream, gradients, into);
        });
    });
}

impl FeedForward<'_> {
    /// Tiles of [`Weights`] for this many columns between the layers.
    fn tiles_of_weights(&self, columns: usize) -> usize {
        let [width, _, out_width] = self.widths;
        self.tiles_of(columns, width) + self.tiles_of(columns, out_width) + self.tiles_of(width, columns)
    }

    /// Columns between the layers that chunk number `chunk` has.
    fn columns(&self, chunk: usize) -> Range<usize> {
        chunk * COLUMNS..self.widths[1].min((chunk + 1) * COLUMNS)
    }

    fn pack_weights(&self, chunk: usize, mut tiles: &mut [Tile]) {
        let ([width, hidden, out_width], columns) = (self.widths, self.columns(chunk));
        let first = Lines::new(&self.weights[0][columns.start * width..], width, columns.len(), 0..width);
        let second = Lines::new(self.weights[1], hidden, out_width, columns).transposed();
        for lines in [first, second, first.transposed()] {
            self.pack(lines, Side::Right, take(&mut tiles, self.tiles_of(lines.lines, lines.inner)));
        }
    }

    fn packed_weights<'a>(&self, columns: usize, tiles: &'a [Tile]) -> Weights<'a> {
        let [width, _, out_width] = self.widths;
        let (first, rest) = tiles.split_at(self.tiles_of(columns, width));
        let (second, first_transposed) = rest.split_at(self.tiles_of(columns, out_width));
        Weights { first, second, first_transposed }
    }

    /// As [`backward`], for up to [`ROWS`] rows from `start` on, of which `gradients.x` has the gradient; those of the
    /// weights go `into` what is there, and those of their biases are added to it.
    fn backward_rows(
        &self,
        blocks: &Blocks,
        packed: &[Tile],
        start: usize,
        upstream: &[f32],
        gradients: Gradients<'_>,
        into: Into,
    ) {
        let [width, hidden, out_width] = self.widths;
        let Gradients { x: of_x, into_x, weights: [of_first, of_second], biases: [of_bias, of_out_bias] } = gradients;
        let rows = of_x.len() / width;
        let x = Lines::new(&self.x[start * width..], width, rows, 0..width);
        let upstream = &upstream[start * out_width..][..rows * out_width];
        sum::add_rows(upstream, of_out_bias);
        let upstream = Lines::new(upstream, out_width, rows, 0..out_width);
        // As rows of a product, and as what is summed over.
        let (across, along) = (|inner| self.tiles_of(rows, inner), |lines| self.tiles_of(lines, rows));
        let counts = across(width) + along(width) + across(out_width) + along(out_width);
        let counts_of_chunk = across(COLUMNS) + 2 * along(COLUMNS);
        let stride = COLUMNS + PADDING;
        lend(&OPERANDS, counts + counts_of_chunk, Tile::ZERO, |mut free| {
            let x_rows = self.pack(x, Side::Left, take(&mut free, across(width)));
            let x_columns = self.pack(x.transposed(), Side::Right, take(&mut free, along(width)));
            let upstream_rows = self.pack(upstream, Side::Left, take(&mut free, across(out_width)));
            let upstream_columns = self.pack(upstream.transposed(), Side::Left, take(&mut free, along(out_width)));
            lend(&BETWEEN, 2 * ROWS * stride, 0.0, |scratch| {
                let (values, slopes) = scratch.split_at_mut(ROWS * stride);
                for (chunk, packed) in packed.chunks(self.tiles_of_weights(COLUMNS)).enumerate() {
                    let columns = self.columns(chunk);
                    let weights = self.packed_weights(columns.len(), packed);
                    let size = [rows, columns.len(), stride];
                    self.multiply(blocks, width, x_rows, weights.first, values, size, Into::Overwrite);
                    self.multiply(blocks, out_width, upstream_rows, weights.second, slopes, size, Into::Overwrite);
                    let (bias, of_bias) = (&self.bias[columns.clone()], &mut of_bias[columns.clone()]);
                    activate_backward(&mut values[..rows * stride], slopes, stride, bias, of_bias);
                    let mut free = &mut *free;
                    let [values, slopes] =
                        [&*values, &*slopes].map(|data| Lines::new(data, stride, rows, 0..columns.len()));
                    let slope_rows = self.pack(slopes, Side::Left, take(&mut free, across(columns.len())));
                    let slope_columns =
                        self.pack(slopes.transposed(), Side::Left, take(&mut free, along(columns.len())));
                    let value_columns =
                        self.pack(values.transposed(), Side::Right, take(&mut free, along(columns.len())));
                    let into_x = if chunk == 0 { into_x } else { Into::Add };
                    let size = [rows, width, width];
                    self.multiply(blocks, columns.len(), slope_rows, weights.first_transposed, of_x, size, into_x);
                    let of_first = &mut of_first[columns.start * width..];
                    let size = [columns.len(), width, width];
                    self.multiply(blocks, rows, slope_columns, x_columns, of_first, size, into);
                    let of_second = &mut of_second[columns.start..];
                    let size = [out_width, columns.len(), hidden];
                    self.multiply(blocks, rows, upstream_columns, value_columns, of_second, size, into);
                }
            });
        });
    }
}

/// GELU of rows and a bias, in place.
#[multiversion(targets = "simd")]
fn activate(rows: &mut [f32], stride: usize, bias: &[f32]) {
    const FUSED: bool = math::fused!();
    for row in rows.chunks_exact_mut(stride) {
        for (value, bias) in row.iter_mut().zip(bias) {
            *value = math::gelu::<FUSED>(*value + bias);
        }
    }
}

/// Turns what GELU was given, but for the bias, into what it gave, and the gradient at that into the gradient at what it
/// was given, whose sums over the rows are added to `sums`.
#[multiversion(targets = "simd")]
fn activate_backward(values: &mut [f32], gradients: &mut [f32], stride: usize, bias: &[f32], sums: &mut [f32]) {
    const FUSED: bool = math::fused!();
    for (values, gradients) in values.chunks_exact_mut(stride).zip(gradients.chunks_exact_mut(stride)) {
        for (((value, gradient), bias), sum) in values.iter_mut().zip(gradients).zip(bias).zip(&mut *sums) {
            let (activated, derivative) = math::gelu_and_derivative::<FUSED>(*value + bias);
            *value = activated;
            *gradient *= derivative;
            *sum += *gradient;
        }
    }
}
