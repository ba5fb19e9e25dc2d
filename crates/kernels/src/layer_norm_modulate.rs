//! LayerNorm without affine, followed by adaLN modulation.

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
    shift: u32,
    scale: u32,
    epsilon: f32,
}

const BINDINGS: &[Binding] =
    &[Binding::read("x"), Binding::read("modulation"), Binding::write("out"), Binding::write("statistics")];

/// The portable kernel: a row a workgroup, summed up through its memory.
pub(crate) static KERNEL: Kernel = Kernel {
    name: "layer_norm_modulate",
    wgsl: wgsl!("layer_norm_modulate"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// The variant for software adapters with integers of 64 bits: a row an invocation.
pub(crate) static PAIRS_KERNEL: Kernel = Kernel {
    name: "layer_norm_modulate_pairs",
    wgsl: wgsl!("layer_norm_modulate_pairs"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// out = n · (1 + scale) + shift, n = (x − mean) / √(variance + epsilon) over a row
/// (DiT, 2212.09748, section 3.2).
#[derive(Debug)]
pub struct LayerNormModulate<'a> {
    /// (B · T, D)
    pub x: &'a Buffer,
    /// (B, modulation_width)
    pub modulation: &'a Buffer,
    /// (B · T, D)
    pub out: &'a Buffer,
    /// (B · T, 2): gets mean and 1 / √(variance + epsilon) of each row, for the backward pass.
    pub statistics: &'a Buffer,
    /// B, T, D and the columns of `modulation`.
    pub sequence: Sequence,
    /// The first of the D columns of `modulation` that shift.
    pub shift: usize,
    /// The first of the D columns of `modulation` that scale.
    pub scale: usize,
    /// Added to the variance; DiT has 1e-6.
    pub epsilon: f32,
}

impl LayerNormModulate<'_> {
    /// Checks the shapes and launches the variant that suits the adapter.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        if shape::prefers_pairs(stream) && self.sequence.is_in_eights(&[self.shift, self.scale]) {
            self.launch_pairs(stream)
        } else {
            self.launch_portable(stream)
        }
    }

    /// Checks the shapes and launches the kernel that runs on every adapter.
    ///
    /// # Errors
    /// As [`LayerNormModulate::launch`].
    pub fn launch_portable(&self, stream: &mut Stream) -> Result<()> {
        self.launch_kernel(stream, &KERNEL, 1)
    }

    /// Checks the shapes and launches the kernel for integers of 64 bits.
    ///
    /// # Errors
    /// As [`LayerNormModulate::launch`], also where the adapter has no such integers, or a size or a first
    /// column is no multiple of 8.
    pub fn launch_pairs(&self, stream: &mut Stream) -> Result<()> {
        shape::expect_wide_integers(&PAIRS_KERNEL, stream)?;
        self.sequence.expect_eights(&PAIRS_KERNEL, &[self.shift, self.scale])?;
        self.launch_kernel(stream, &PAIRS_KERNEL, 8)
    }

    /// A workgroup of `kernel` has `rows_a_workgroup`.
    fn launch_kernel(&self, stream: &mut Stream, kernel: &'static Kernel, rows_a_workgroup: usize) -> Result<()> {
        let sequence = &self.sequence;
        sequence.expect_tokens(kernel, "x", self.x)?;
        sequence.expect_tokens(kernel, "out", self.out)?;
        sequence.expect_statistics(kernel, self.statistics)?;
        let chunks = [("shift", self.shift), ("scale", self.scale)];
        sequence.expect_modulation(kernel, "modulation", self.modulation, &chunks)?;
        stream.launch(&Launch {
            kernel,
            parameters: Parameters {
                rows: shape::dimension(kernel, "rows", sequence.rows())?,
                tokens: shape::dimension(kernel, "tokens", sequence.tokens)?,
                width: shape::dimension(kernel, "width", sequence.width)?,
                modulation_width: shape::dimension(kernel, "modulation_width", sequence.modulation_width)?,
                shift: shape::dimension(kernel, "shift", self.shift)?,
                scale: shape::dimension(kernel, "scale", self.scale)?,
                epsilon: self.epsilon,
            },
            buffers: &[self.x, self.modulation, self.out, self.statistics],
            constants: &[],
            workgroups: grid(sequence.rows(), rows_a_workgroup),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [x, modulation, out, statistics] = arguments.take();
    let (x, modulation) = (x.read::<f32>(), modulation.read::<f32>());
    let (tokens, width) = (parameters.tokens as usize, parameters.width as usize);
    let item = tokens * width;
    out.write::<f32>()
        .par_chunks_mut(item)
        .zip(statistics.write::<f32>().par_chunks_mut(tokens * 2))
        .zip(x.par_chunks(item))
        .zip(modulation.par_chunks(parameters.modulation_width as usize))
        .for_each(|(((out, statistics), x), modulation)| {
            let shift = &modulation[parameters.shift as usize..][..width];
            let scale = &modulation[parameters.scale as usize..][..width];
            normalise(x, shift, scale, parameters.epsilon, out, statistics);
        });
}

/// The tokens of one item.
#[multiversion(targets = "simd")]
fn normalise(x: &[f32], shift: &[f32], scale: &[f32], epsilon: f32, out: &mut [f32], statistics: &mut [f32]) {
    let width = shift.len();
    for ((x, out), statistics) in
        x.chunks_exact(width).zip(out.chunks_exact_mut(width)).zip(statistics.chunks_exact_mut(2))
    {
        let mean = sum::sum_by([x], |[x]| x) / width as f32;
        let variance = sum::sum_by([x], |[x]| (x - mean) * (x - mean)) / width as f32;
        let deviation = 1.0 / (variance + epsilon).sqrt();
        for (((out, x), shift), scale) in out.iter_mut().zip(x).zip(shift).zip(scale) {
            *out = (x - mean) * deviation * (1.0 + scale) + shift;
        }
        statistics[0] = mean;
        statistics[1] = deviation;
    }
}
