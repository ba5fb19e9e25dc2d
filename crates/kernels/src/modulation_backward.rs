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

pub(crate) static KERNEL: Kernel = Kernel {
    name: "modulation_backward",
    wgsl: wgsl!("modulation_backward"),
    parameters: FIELDS,
    bindings: &[Binding::read("x"), Binding::read("statistics"), Binding::read("upstream"), Binding::write("out")],
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
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let sequence = &self.sequence;
        sequence.expect_tokens(&KERNEL, "x", self.x)?;
        sequence.expect_tokens(&KERNEL, "upstream", self.upstream)?;
        sequence.expect_statistics(&KERNEL, self.statistics)?;
        sequence.expect_modulation(&KERNEL, "out", self.out, &[("shift", self.shift), ("scale", self.scale)])?;
        shape::ensure(&KERNEL, self.shift.abs_diff(self.scale) >= sequence.width, || {
            format!(
                "`shift` and `scale`, {} columns from {} and from {} on, overlap",
                sequence.width, self.shift, self.scale
            )
        })?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                batch: shape::dimension(&KERNEL, "batch", sequence.batch)?,
                tokens: shape::dimension(&KERNEL, "tokens", sequence.tokens)?,
                width: shape::dimension(&KERNEL, "width", sequence.width)?,
                modulation_width: shape::dimension(&KERNEL, "modulation_width", sequence.modulation_width)?,
                shift: shape::dimension(&KERNEL, "shift", self.shift)?,
                scale: shape::dimension(&KERNEL, "scale", self.scale)?,
            },
            buffers: &[self.x, self.statistics, self.upstream, self.out],
            constants: &[],
            workgroups: grid(sequence.batch * sequence.width.div_ceil(32), 1),
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
