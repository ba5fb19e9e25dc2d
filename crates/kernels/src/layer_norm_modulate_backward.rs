//! The gradient of layer_norm_modulate at its input.

use multiversion::multiversion;
use rayon::prelude::*;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, sum};
use crate::{Sequence, shape};

parameters! {
    rows: u32,
    tokens: u32,
    width: u32,
    modulation_width: u32,
    scale: u32,
    accumulate: u32,
}

const BINDINGS: &[Binding] = &[
    Binding::read("x"),
    Binding::read("modulation"),
    Binding::read("statistics"),
    Binding::read("upstream"),
    Binding::write("out"),
];

/// The portable kernel: a row a workgroup, summed up through its memory.
pub(crate) static KERNEL: Kernel = Kernel {
    name: "layer_norm_modulate_backward",
    wgsl: wgsl!("layer_norm_modulate_backward"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// The variant for software adapters with integers of 64 bits: a row an invocation.
pub(crate) static PAIRS_KERNEL: Kernel = Kernel {
    name: "layer_norm_modulate_backward_pairs",
    wgsl: wgsl!("layer_norm_modulate_backward_pairs"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// With g = upstream · (1 + scale), n the normalised row and r = 1 / √(variance + epsilon):
/// out (+)= r · (g − mean(g) − n · mean(g · n)).
#[derive(Debug)]
pub struct LayerNormModulateBackward<'a> {
    /// (B · T, D): what the forward pass was given.
    pub x: &'a Buffer,
    /// (B, modulation_width)
    pub modulation: &'a Buffer,
    /// (B · T, 2): what the forward pass left.
    pub statistics: &'a Buffer,
    /// (B · T, D): the gradient at the output.
    pub upstream: &'a Buffer,
    /// (B · T, D): the gradient at `x`.
    pub out: &'a Buffer,
    /// B, T, D and the columns of `modulation`.
    pub sequence: Sequence,
    /// The first of the D columns of `modulation` that scale.
    pub scale: usize,
    /// Add to `out` instead of overwriting it.
    pub accumulate: bool,
}

impl LayerNormModulateBackward<'_> {
    /// Checks the shapes and launches the variant that suits the adapter.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        if shape::prefers_pairs(stream) && self.sequence.is_in_eights(&[self.scale]) {
            self.launch_pairs(stream)
        } else {
            self.launch_portable(stream)
        }
    }

    /// Checks the shapes and launches the kernel that runs on every adapter.
    ///
    /// # Errors
    /// As [`LayerNormModulateBackward::launch`].
    pub fn launch_portable(&self, stream: &mut Stream) -> Result<()> {
        self.launch_kernel(stream, &KERNEL, 1)
    }

    /// Checks the shapes and launches the kernel for integers of 64 bits.
    ///
    /// # Errors
    /// As [`LayerNormModulateBackward::launch`], also where the adapter has no such integers, or a size or a first
    /// column is no multiple of 8.
    pub fn launch_pairs(&self, stream: &mut Stream) -> Result<()> {
        shape::expect_wide_integers(&PAIRS_KERNEL, stream)?;
        self.sequence.expect_eights(&PAIRS_KERNEL, &[self.scale])?;
        self.launch_kernel(stream, &PAIRS_KERNEL, 8)
    }

    /// A workgroup of `kernel` has `rows_a_workgroup`.
    fn launch_kernel(&self, stream: &mut Stream, kernel: &'static Kernel, rows_a_workgroup: usize) -> Result<()> {
        let sequence = &self.sequence;
        sequence.expect_tokens(kernel, "x", self.x)?;
        sequence.expect_tokens(kernel, "upstream", self.upstream)?;
        sequence.expect_tokens(kernel, "out", self.out)?;
        sequence.expect_statistics(kernel, self.statistics)?;
        sequence.expect_modulation(kernel, "modulation", self.modulation, &[("scale", self.scale)])?;
        stream.launch(&Launch {
            kernel,
            parameters: Parameters {
                rows: shape::dimension(kernel, "rows", sequence.rows())?,
                tokens: shape::dimension(kernel, "tokens", sequence.tokens)?,
                width: shape::dimension(kernel, "width", sequence.width)?,
                modulation_width: shape::dimension(kernel, "modulation_width", sequence.modulation_width)?,
                scale: shape::dimension(kernel, "scale", self.scale)?,
                accumulate: u32::from(self.accumulate),
            },
            buffers: &[self.x, self.modulation, self.statistics, self.upstream, self.out],
            constants: &[],
            workgroups: grid(sequence.rows(), rows_a_workgroup),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [x, modulation, statistics, upstream, out] = arguments.take();
    let (tokens, width) = (parameters.tokens as usize, parameters.width as usize);
    let item = tokens * width;
    out.write::<f32>()
        .par_chunks_mut(item)
        .zip(x.read::<f32>().par_chunks(item))
        .zip(upstream.read::<f32>().par_chunks(item))
        .zip(statistics.read::<f32>().par_chunks(tokens * 2))
        .zip(modulation.read::<f32>().par_chunks(parameters.modulation_width as usize))
        .for_each(|((((out, x), upstream), statistics), modulation)| {
            let scale = &modulation[parameters.scale as usize..][..width];
            backward(x, upstream, statistics, scale, out, parameters.accumulate != 0);
        });
}

/// The tokens of one item.
#[multiversion(targets = "simd")]
fn backward(x: &[f32], upstream: &[f32], statistics: &[f32], scale: &[f32], out: &mut [f32], accumulate: bool) {
    let width = scale.len();
    let rows = x.chunks_exact(width).zip(upstream.chunks_exact(width));
    for (((x, upstream), statistics), out) in rows.zip(statistics.chunks_exact(2)).zip(out.chunks_exact_mut(width)) {
        let (mean, deviation) = (statistics[0], statistics[1]);
        let gradient = |upstream: f32, scale: f32| upstream * (1.0 + scale);
        let normal = |x: f32| (x - mean) * deviation;
        let sum_gradient = sum::sum_by([upstream, scale], |[upstream, scale]| gradient(upstream, scale));
        let sum_product =
            sum::sum_by([upstream, scale, x], |[upstream, scale, x]| gradient(upstream, scale) * normal(x));
        let (mean_gradient, mean_product) = (sum_gradient / width as f32, sum_product / width as f32);
        for ((out, x), (upstream, scale)) in out.iter_mut().zip(x).zip(upstream.iter().zip(scale)) {
            let value = deviation * (gradient(*upstream, *scale) - mean_gradient - normal(*x) * mean_product);
            *out = if accumulate { *out + value } else { value };
        }
    }
}
