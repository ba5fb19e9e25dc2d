//! Two linear layers around GELU: what a unit for bfloat16 is told of them, and what is done without one.

use multiversion::multiversion;
use rayon::prelude::*;

use super::bfloat16::Unit;
use super::gemm::{Into, Strided};
use super::panels::{BLOCK, PACKED, Packing, Panels};
use super::product::Destination;
use super::scratch::{lend, take, with_scratch};
use super::{math, sum};

/// Rows whose gradients are summed up together, by one task of a unit's, and at least without one. At the rows of
/// a batch of images it divides the work evenly among few threads, and the sums stay a small part of what is read and written.
pub(crate) const SLICE: usize = 256;

/// Slices that there are at most without a unit: more would cost more, in sums over them, than they would bring to
/// many threads, which share the products of a slice.
const MAX_SLICES: usize = 8;

/// Rows whose gradients a task makes at a time without a unit: two panels of so many rows stay in the nearest cache.
const ROWS: usize = 3 * BLOCK;

/// gelu(x · weight₁ᵀ + bias) · weight₂ᵀ. No dimension is zero.
#[derive(Clone, Copy)]
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // read where there are such units
pub(crate) struct FeedForward<'a> {
    pub(crate) unit: Unit,
    /// Columns of x, between the layers, and of the result.
    pub(crate) widths: [usize; 3],
    /// (rows, in)
    pub(crate) x: &'a [f32],
    /// (hidden, in) and (out, hidden)
    pub(crate) weights: [&'a [f32]; 2],
    /// (hidden)
    pub(crate) bias: &'a [f32],
}

/// gelu(x · weight₁ᵀ + bias) · weight₂ᵀ without a unit. No dimension is zero.
pub(crate) struct InPanels<'a> {
    /// Columns of x, between the layers, and of the result.
    pub(crate) widths: [usize; 3],
    /// (rows, in)
    pub(crate) x: &'a [f32],
    /// (hidden, in) and (out, hidden)
    pub(crate) weights: [&'a [f32]; 2],
    /// (hidden)
    pub(crate) bias: &'a [f32],
    /// (rows, hidden): gets what GELU is given; or empty.
    pub(crate) before_gelu: &'a mut [f32],
}

/// Where gradients go: that of x, and, of each slice of the rows, those of the weights and of both biases.
pub(crate) struct Gradients<'a> {
    /// (rows, in)
    pub(crate) x: &'a mut [f32],
    pub(crate) into_x: Into,
    /// (slices, hidden, in) and (slices, out, hidden)
    pub(crate) weights: [&'a mut [f32]; 2],
    /// (slices, hidden) and (slices, out)
    pub(crate) biases: [&'a mut [f32]; 2],
}

/// What the gradient reads where what GELU was given was kept. No dimension is zero.
#[derive(Clone, Copy)]
pub(crate) struct Kept<'a> {
    /// Columns of x, between the layers, and of the result.
    pub(crate) widths: [usize; 3],
    /// (rows, in)
    pub(crate) x: &'a [f32],
    /// (hidden, in) and (out, hidden)
    pub(crate) weights: [&'a [f32]; 2],
    /// (rows, hidden)
    pub(crate) before_gelu: &'a [f32],
    /// (rows, out): the gradient at the result.
    pub(crate) upstream: &'a [f32],
}

/// Into how many slices [`Kept::backward`] takes these rows.
pub(crate) fn slices(rows: usize) -> usize {
    (rows / SLICE).clamp(1, MAX_SLICES)
}

impl Gradients<'_> {
    /// Calls `body` for each slice of `slice` rows, in parallel, `rows_at_once` of its rows at a time: with what `begin`
    /// made for the slice, the first row's index, where the gradients of those rows go, and how the products for weights
    /// meet what is there. The gradients of biases are to be added.
    pub(super) fn in_slices<T>(
        self,
        [width, hidden, out_width]: [usize; 3],
        [slice, rows_at_once]: [usize; 2],
        begin: impl Fn() -> T + Sync,
        body: impl Fn(&T, usize, Gradients<'_>, Into) + Sync,
    ) {
        let Gradients { x, into_x, weights: [of_first, of_second], biases: [of_bias, of_out_bias] } = self;
        x.par_chunks_mut(slice * width)
            .zip(of_first.par_chunks_exact_mut(hidden * width))
            .zip(of_second.par_chunks_exact_mut(out_width * hidden))
            .zip(of_bias.par_chunks_exact_mut(hidden))
            .zip(of_out_bias.par_chunks_exact_mut(out_width))
            .enumerate()
            .for_each(|(slice_index, ((((x, of_first), of_second), of_bias), of_out_bias))| {
                of_bias.fill(0.0);
                of_out_bias.fill(0.0);
                let begun = begin();
                for (i, x) in x.chunks_mut(rows_at_once * width).enumerate() {
                    let gradients = Gradients {
                        x,
                        into_x,
                        weights: [&mut *of_first, &mut *of_second],
                        biases: [&mut *of_bias, &mut *of_out_bias],
                    };
                    let into = if i == 0 { Into::Overwrite } else { Into::Add };
                    body(&begun, slice_index * slice + i * rows_at_once, gradients, into);
                }
            });
    }
}

impl InPanels<'_> {
    /// The result goes to `to`, which is (rows, out).
    pub(crate) fn forward(self, to: Destination<'_>) {
        let Self { widths: [width, hidden, out_width], x, weights, bias, before_gelu } = self;
        let ([first, second], into) = (weights, to.into);
        let sizes = [[width, hidden], [hidden, out_width]];
        lend(&PACKED, Panels::len(sizes[0]) + Panels::len(sizes[1]), 0.0, |mut packed| {
            let mut pack = |weight: &[f32], size: [usize; 2]| {
                let packed = take(&mut packed, Panels::len(size));
                Panels::pack(Strided::new(weight, size[0]).transposed(), size, packed)
            };
            let (first, second) = (pack(first, sizes[0]), pack(second, sizes[1]));
            to.in_pieces_with(BLOCK, out_width, (before_gelu, hidden), |start, out, before_gelu, finish| {
                with_scratch(BLOCK * (first.stride() + second.stride()), |mut scratch| {
                    let between = take(&mut scratch, BLOCK * first.stride());
                    let between = &mut between[..out.len() / out_width * first.stride()];
                    first.multiply(Strided::new(&x[start * width..], width), out.len() / out_width, between);
                    activate(between, first.stride(), bias, before_gelu);
                    second.multiply_into(Strided::new(between, first.stride()), out, into, scratch, finish);
                });
            });
        });
    }
}

impl Kept<'_> {
    /// All gradients, those of the weights and biases for each of [`slices`] of the rows.
    pub(crate) fn backward(self, gradients: Gradients<'_>) {
        let [width, hidden, out_width] = self.widths;
        let rows = self.x.len() / width;
        let slice = rows.div_ceil(slices(rows));
        let sizes = [[hidden, width], [out_width, hidden]];
        lend(&PACKED, Panels::len(sizes[0]) + Panels::len(sizes[1]), 0.0, |mut packed| {
            let weights = [0, 1].map(|layer| {
                let packed = take(&mut packed, Panels::len(sizes[layer]));
                Panels::pack(Strided::new(self.weights[layer], sizes[layer][1]), sizes[layer], packed)
            });
            let body = |(): &(), first: usize, gradients: Gradients<'_>, into: Into| {
                self.backward_rows(weights, first, gradients, into);
            };
            gradients.in_slices(self.widths, [slice, ROWS], || (), body);
        });
    }

    /// As [`Kept::backward`], with the weights in panels, for the rows from `first` on of which `gradients.x` has the gradient;
    /// those of the weights go `into` what is there, and those of their biases are added to it.
    fn backward_rows(&self, weights: [Panels<'_>; 2], first: usize, gradients: Gradients<'_>, into: Into) {
        let [width, hidden, out_width] = self.widths;
        let Gradients { x: of_x, into_x, weights: [of_first, of_second], biases: [of_bias, of_out_bias] } = gradients;
        let rows = of_x.len() / width;
        let x = Strided::new(&self.x[first * width..], width);
        let before_gelu = &self.before_gelu[first * hidden..][..rows * hidden];
        let upstream = &self.upstream[first * out_width..][..rows * out_width];
        sum::add_rows(upstream, of_out_bias);
        let upstream = Strided::new(upstream, out_width);
        let [into_width, into_hidden] = weights.map(Panels::stride);
        let sizes = [[rows, width], [rows, hidden], [rows, hidden], [rows, out_width]];
        let packed_len = sizes.map(Panels::len).iter().sum::<usize>();
        with_scratch(packed_len + BLOCK * (into_width + 2 * into_hidden), |mut scratch| {
            let mut packing = sizes.map(|size| Packing::new(size, take(&mut scratch, Panels::len(size))));
            let [of_hidden, values] = [BLOCK * into_hidden; 2].map(|len| take(&mut scratch, len));
            for (block, of_x) in of_x.chunks_mut(BLOCK * width).enumerate() {
                let (first, count) = (block * BLOCK, of_x.len() / width);
                let (x, upstream) = (x.rows_from(first), upstream.rows_from(first));
                let [of_hidden, values] = [&mut *of_hidden, values].map(|block| &mut block[..count * into_hidden]);
                weights[1].multiply(upstream, count, of_hidden);
                activate_backward(of_hidden, &before_gelu[first * hidden..], values, into_hidden, of_bias);
                let [of_hidden, values] = [&*of_hidden, values].map(|block| Strided::new(block, into_hidden));
                weights[0].multiply_into(of_hidden, of_x, into_x, scratch, |_, _| ());
                for (packing, rows) in packing.iter_mut().zip([x, of_hidden, values, upstream]) {
                    packing.set(first, rows, count);
                }
            }
            let [x, of_hidden, values, upstream] = packing.map(Packing::done);
            // Two tasks, for threads that have no slice of their own.
            let of_first = || multiply_transposed(of_hidden, x, of_first, into);
            let of_second = || multiply_transposed(upstream, values, of_second, into);
            rayon::join(of_first, of_second);
        });
    }
}

/// out (+)= leftᵀ · right.
fn multiply_transposed(left: Panels<'_>, right: Panels<'_>, out: &mut [f32], into: Into) {
    with_scratch(BLOCK * right.stride(), |scratch| right.multiply_transposed_into(left, out, into, scratch));
}

/// From products, in rows `stride` apart, to GELU of them and a bias; what it is given goes to `given`, unless that is empty.
#[multiversion(targets = "simd")]
fn activate(products: &mut [f32], stride: usize, bias: &[f32], given: &mut [f32]) {
    const FUSED: bool = math::fused!();
    let rows = products.chunks_exact_mut(stride);
    if given.is_empty() {
        for row in rows {
            for (value, bias) in row.iter_mut().zip(bias) {
                *value = math::gelu::<FUSED>(*value + bias);
            }
        }
        return;
    }
    for (row, given) in rows.zip(given.chunks_exact_mut(bias.len())) {
        for ((value, bias), given) in row.iter_mut().zip(bias).zip(given) {
            *given = *value + bias;
            *value = math::gelu::<FUSED>(*given);
        }
    }
}

/// From what GELU was given, and the gradient at what it gave, to what it gave and the gradient at what it was given, whose
/// sums over the rows are added to `sums`. Rows are as long as that; those of `gradients` and `after` lie `stride` apart.
#[multiversion(targets = "simd")]
fn activate_backward(gradients: &mut [f32], before: &[f32], after: &mut [f32], stride: usize, sums: &mut [f32]) {
    const FUSED: bool = math::fused!();
    let rows =
        gradients.chunks_exact_mut(stride).zip(before.chunks_exact(sums.len())).zip(after.chunks_exact_mut(stride));
    for ((gradients, before), after) in rows {
        for (((gradient, before), after), sum) in gradients.iter_mut().zip(before).zip(after).zip(&mut *sums) {
            let (activated, derivative) = math::gelu_and_derivative::<FUSED>(*before);
            *after = activated;
            *gradient *= derivative;
            *sum += *gradient;
        }
    }
}
