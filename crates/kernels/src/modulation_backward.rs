//! The gradient of layer_norm_modulate at shift and scale.

use multiversion::multiversion;
use rayon::prelude::*;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, sum};
use crate::{Sequence, shape};

parameters! {
    batch: u32,
    tokens: u32,
    width: u32,
    modulation_width: u32,
    shift: u32,
    scale: u32,
}

const BINDINGS: &[Binding] =
    &[Binding::read("x"), Binding::read("statistics"), Binding::read("upstream"), Binding::write("out")];

/// The portable kernel: sums of some tokens each, added up through a workgroup's memory.
pub(crate) static KERNEL: Kernel = Kernel {
    name: "modulation_backward",
    wgsl: wgsl!("modulation_backward"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// The variant for software adapters with integers of 64 bits: eight columns an invocation, down all tokens.
pub(crate) static PAIRS_KERNEL: Kernel = Kernel {
    name: "modulation_backward_pairs",
    wgsl: wgsl!("modulation_backward_pairs"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// d shift += Σ upstream and d scale += Σ upstream · n over the tokens of an item, n the normalised x.
#[derive(Debug)]
pub struct ModulationBackward<'a> {
    /// (B · T, D): what the forward pass was given.
    pub x: &'a Buffer,
    /// (B · T, 2): what the forward pass left.
    pub statistics: &'a Buffer,
    /// (B · T, D): the gradient at the output.
    pub upstream: &'a Buffer,
    /// (B, modulation_width): the gradient at the modulation; two chunks of it are added to.
    pub out: &'a Buffer,
    /// B, T, D and the columns of the modulation.
    pub sequence: Sequence,
    /// The first of the D columns that shift.
    pub shift: usize,
    /// The first of the D columns that scale; the two chunks do not overlap.
    pub scale: usize,
}

impl ModulationBackward<'_> {
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
    /// As [`ModulationBackward::launch`].
    pub fn launch_portable(&self, stream: &mut Stream) -> Result<()> {
        self.launch_kernel(stream, &KERNEL, [32, 1])
    }

    /// Checks the shapes and launches the kernel for integers of 64 bits.
    ///
    /// # Errors
    /// As [`ModulationBackward::launch`], also where the adapter has no such integers, or a size or a first
    /// column is no multiple of 8.
    pub fn launch_pairs(&self, stream: &mut Stream) -> Result<()> {
        shape::expect_wide_integers(&PAIRS_KERNEL, stream)?;
        self.sequence.expect_eights(&PAIRS_KERNEL, &[self.shift, self.scale])?;
        self.launch_kernel(stream, &PAIRS_KERNEL, [8, 8])
    }

    /// An item's columns are taken in blocks of `columns`; a workgroup of `kernel` takes `blocks` of these.
    fn launch_kernel(&self, stream: &mut Stream, kernel: &'static Kernel, [columns, blocks]: [usize; 2]) -> Result<()> {
        let sequence = &self.sequence;
        sequence.expect_tokens(kernel, "x", self.x)?;
        sequence.expect_tokens(kernel, "upstream", self.upstream)?;
        sequence.expect_statistics(kernel, self.statistics)?;
        sequence.expect_modulation(kernel, "out", self.out, &[("shift", self.shift), ("scale", self.scale)])?;
        shape::ensure(kernel, self.shift.abs_diff(self.scale) >= sequence.width, || {
            format!(
                "`shift` and `scale`, {} columns from {} and from {} on, overlap",
                sequence.width, self.shift, self.scale
            )
        })?;
        stream.launch(&Launch {
            kernel,
            parameters: Parameters {
                batch: shape::dimension(kernel, "batch", sequence.batch)?,
                tokens: shape::dimension(kernel, "tokens", sequence.tokens)?,
                width: shape::dimension(kernel, "width", sequence.width)?,
                modulation_width: shape::dimension(kernel, "modulation_width", sequence.modulation_width)?,
                shift: shape::dimension(kernel, "shift", self.shift)?,
                scale: shape::dimension(kernel, "scale", self.scale)?,
            },
            buffers: &[self.x, self.statistics, self.upstream, self.out],
            constants: &[],
            workgroups: grid(sequence.batch * sequence.width.div_ceil(columns), blocks),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [x, statistics, upstream, out] = arguments.take();
    let (tokens, width) = (parameters.tokens as usize, parameters.width as usize);
    let item = tokens * width;
    out.write::<f32>()
        .par_chunks_mut(parameters.modulation_width as usize)
        .zip(x.read::<f32>().par_chunks(item))
        .zip(upstream.read::<f32>().par_chunks(item))
        .zip(statistics.read::<f32>().par_chunks(tokens * 2))
        .for_each(|(((out, x), upstream), statistics)| {
            sum::add_rows(upstream, &mut out[parameters.shift as usize..][..width]);
            scale_backward(x, upstream, statistics, &mut out[parameters.scale as usize..][..width]);
        });
}

#[multiversion(targets = "simd")]
fn scale_backward(x: &[f32], upstream: &[f32], statistics: &[f32], scale: &mut [f32]) {
    let rows = x.chunks_exact(scale.len()).zip(upstream.chunks_exact(scale.len()));
    for ((x, upstream), statistics) in rows.zip(statistics.chunks_exact(2)) {
        let (mean, deviation) = (statistics[0], statistics[1]);
        for ((scale, x), upstream) in scale.iter_mut().zip(x).zip(upstream) {
            *scale += upstream * (x - mean) * deviation;
        }
    }
}
