//! The gradient of a gate that all tokens of an item share.

use multiversion::multiversion;
use rayon::prelude::*;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::{Sequence, shape};

parameters! {
    batch: u32,
    tokens: u32,
    width: u32,
    modulation_width: u32,
    gate: u32,
}

const BINDINGS: &[Binding] = &[
    Binding::read("y"),
    Binding::read("modulation"),
    Binding::read("upstream"),
    Binding::write("out_y"),
    Binding::write("out_modulation"),
];

/// The portable kernel: sums of some tokens each, added up through a workgroup's memory.
pub(crate) static KERNEL: Kernel =
    Kernel { name: "gate_backward", wgsl: wgsl!("gate_backward"), parameters: FIELDS, bindings: BINDINGS, cpu };

/// The variant for software adapters with integers of 64 bits: eight columns an invocation, down all tokens.
pub(crate) static PAIRS_KERNEL: Kernel = Kernel {
    name: "gate_backward_pairs",
    wgsl: wgsl!("gate_backward_pairs"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// For out = residual + gate ⊙ y: d y = upstream · gate, d gate += Σ over tokens of upstream · y.
#[derive(Debug)]
pub struct GateBackward<'a> {
    /// (B · T, D): what was gated.
    pub y: &'a Buffer,
    /// (B, modulation_width)
    pub modulation: &'a Buffer,
    /// (B · T, D): the gradient at the output.
    pub upstream: &'a Buffer,
    /// (B · T, D): gets the gradient at `y`.
    pub out_y: &'a Buffer,
    /// (B, modulation_width): the gradient at the modulation; the gate's columns are added to.
    pub out_modulation: &'a Buffer,
    /// B, T, D and the columns of the modulation.
    pub sequence: Sequence,
    /// The first of the D columns of `modulation` that gate.
    pub gate: usize,
}

impl GateBackward<'_> {
    /// Checks the shapes and launches the variant that suits the adapter.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        if shape::prefers_pairs(stream) && self.sequence.is_in_eights(&[self.gate]) {
            self.launch_pairs(stream)
        } else {
            self.launch_portable(stream)
        }
    }

    /// Checks the shapes and launches the kernel that runs on every adapter.
    ///
    /// # Errors
    /// As [`GateBackward::launch`].
    pub fn launch_portable(&self, stream: &mut Stream) -> Result<()> {
        self.launch_kernel(stream, &KERNEL, [32, 1])
    }

    /// Checks the shapes and launches the kernel for integers of 64 bits.
    ///
    /// # Errors
    /// As [`GateBackward::launch`], also where the adapter has no such integers, or a size or a first
    /// column is no multiple of 8.
    pub fn launch_pairs(&self, stream: &mut Stream) -> Result<()> {
        shape::expect_wide_integers(&PAIRS_KERNEL, stream)?;
        self.sequence.expect_eights(&PAIRS_KERNEL, &[self.gate])?;
        self.launch_kernel(stream, &PAIRS_KERNEL, [8, 8])
    }

    /// An item's columns are taken in blocks of `columns`; a workgroup of `kernel` takes `blocks` of these.
    fn launch_kernel(&self, stream: &mut Stream, kernel: &'static Kernel, [columns, blocks]: [usize; 2]) -> Result<()> {
        let sequence = &self.sequence;
        sequence.expect_tokens(kernel, "y", self.y)?;
        sequence.expect_tokens(kernel, "upstream", self.upstream)?;
        sequence.expect_tokens(kernel, "out_y", self.out_y)?;
        sequence.expect_modulation(kernel, "modulation", self.modulation, &[("gate", self.gate)])?;
        sequence.expect_modulation(kernel, "out_modulation", self.out_modulation, &[])?;
        stream.launch(&Launch {
            kernel,
            parameters: Parameters {
                batch: shape::dimension(kernel, "batch", sequence.batch)?,
                tokens: shape::dimension(kernel, "tokens", sequence.tokens)?,
                width: shape::dimension(kernel, "width", sequence.width)?,
                modulation_width: shape::dimension(kernel, "modulation_width", sequence.modulation_width)?,
                gate: shape::dimension(kernel, "gate", self.gate)?,
            },
            buffers: &[self.y, self.modulation, self.upstream, self.out_y, self.out_modulation],
            constants: &[],
            workgroups: grid(sequence.batch * sequence.width.div_ceil(columns), blocks),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [y, modulation, upstream, out_y, out_modulation] = arguments.take();
    let (tokens, width) = (parameters.tokens as usize, parameters.width as usize);
    let (item, modulation_width) = (tokens * width, parameters.modulation_width as usize);
    let gate = parameters.gate as usize;
    out_y
        .write::<f32>()
        .par_chunks_mut(item)
        .zip(out_modulation.write::<f32>().par_chunks_mut(modulation_width))
        .zip(y.read::<f32>().par_chunks(item))
        .zip(upstream.read::<f32>().par_chunks(item))
        .zip(modulation.read::<f32>().par_chunks(modulation_width))
        .for_each(|((((out_y, out_modulation), y), upstream), modulation)| {
            backward(y, upstream, &modulation[gate..][..width], out_y, &mut out_modulation[gate..][..width]);
        });
}

/// The tokens of one item.
#[multiversion(targets = "simd")]
fn backward(y: &[f32], upstream: &[f32], gate: &[f32], out_y: &mut [f32], out_gate: &mut [f32]) {
    let width = gate.len();
    let rows = y.chunks_exact(width).zip(upstream.chunks_exact(width));
    for ((y, upstream), out_y) in rows.zip(out_y.chunks_exact_mut(width)) {
        for ((out, upstream), gate) in out_y.iter_mut().zip(upstream).zip(gate) {
            *out = upstream * gate;
        }
        for ((out, upstream), y) in out_gate.iter_mut().zip(upstream).zip(y) {
            *out += upstream * y;
        }
    }
}
