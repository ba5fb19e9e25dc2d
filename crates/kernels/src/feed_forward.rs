//! The MLP of a block in one kernel, for CPUs.

use runtime::{Arguments, Binding, Buffer, Half, Kernel, Launch, MatrixUnit, Result, Stream};

use crate::cpu::bfloat16::Unit;
use crate::cpu::feed_forward::{FeedForward as Layers, InPanels};
use crate::cpu::gemm::Into;
use crate::cpu::product::{Destination, Finish};
use crate::cpu::{bfloat16, parallel};
use crate::matmul::{gate_residual, gate_residual_in_place};
use crate::{Sequence, shape};

parameters! {
    rows: u32,
    width: u32,
    hidden: u32,
    out_width: u32,
    tokens: u32,
    modulation_width: u32,
    gate: u32,
    save: u32,
    keep: u32,
}

const BINDINGS: &[Binding] = &[
    Binding::read("x"),
    Binding::read("weight_1"),
    Binding::read("bias_1"),
    Binding::read("weight_2"),
    Binding::read("bias_2"),
    Binding::read("residual"),
    Binding::read("modulation"),
    Binding::write("out"),
    Binding::write("saved"),
    Binding::write("before_gelu"),
];

/// Products as exact as in f32.
pub(crate) static KERNEL: Kernel =
    Kernel { name: "feed_forward", wgsl: None, parameters: FIELDS, bindings: BINDINGS, cpu };

/// Operands rounded to bfloat16.
pub(crate) static HALF_KERNEL: Kernel =
    Kernel { name: "feed_forward_half", wgsl: None, parameters: FIELDS, bindings: BINDINGS, cpu: cpu_half };

/// out = residual + gate ⊙ (gelu(x · weight₁ᵀ + bias₁) · weight₂ᵀ + bias₂), with one gate for all the tokens of an item.
///
/// What is between the layers never reaches memory, where on a GPU two [`crate::MatMul`] write and read it. On a matrix
/// unit, or with operands rounded to bfloat16, it is made again for the gradient; elsewhere, what GELU is given is kept.
#[derive(Debug)]
pub struct FeedForward<'a> {
    /// (B · T, in)
    pub x: &'a Buffer,
    /// (hidden, in) and (D, hidden)
    pub weights: [&'a Buffer; 2],
    /// (hidden) and (D)
    pub biases: [&'a Buffer; 2],
    /// (B · T, D)
    pub residual: &'a Buffer,
    /// (B, modulation_width)
    pub modulation: &'a Buffer,
    /// B, T, D and the columns of the modulation.
    pub sequence: Sequence,
    /// The first of the D columns of `modulation` that gate.
    pub gate: usize,
    /// Columns of `x`, and between the layers.
    pub widths: [usize; 2],
    /// (B · T, D)
    pub out: &'a Buffer,
    /// (B · T, D): gets what is gated, for the backward pass.
    pub saved: Option<&'a Buffer>,
    /// (B · T, hidden): gets x · weight₁ᵀ + bias₁, for a backward pass that does not [make it again](Self::makes_again).
    pub before_gelu: Option<&'a Buffer>,
}

impl FeedForward<'_> {
    /// Whether a stream's device has this kernel and [its backward](crate::FeedForwardBackward): a CPU.
    pub fn runs_on(stream: &Stream) -> bool {
        stream.device().adapter().is_none()
    }

    /// Whether the backward pass makes again what GELU is given, and nothing is kept for it: on a CPU that multiplies bfloat16,
    /// because operands are rounded to it, or, with a [`MatrixUnit`], always.
    pub fn makes_again(stream: &Stream) -> bool {
        Self::runs_on(stream) && (MatrixUnit::get().is_some() || stream.device().half().is_some())
    }

    /// Checks the shapes and launches the kernel: with operands rounded on a device that was opened for reduced precision.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], also where the device does not have this kernel or keeps nothing, and what [`Stream::launch`]
    /// reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let kernel = of_precision(stream, &KERNEL, &HALF_KERNEL)?;
        let ([width, hidden], sequence) = (self.widths, &self.sequence);
        let (rows, out_width) = (sequence.batch * sequence.tokens, sequence.width);
        shape::expect(kernel, "x", self.x, &[rows, width])?;
        shape::expect(kernel, "weight_1", self.weights[0], &[hidden, width])?;
        shape::expect(kernel, "weight_2", self.weights[1], &[out_width, hidden])?;
        shape::expect(kernel, "bias_1", self.biases[0], &[hidden])?;
        shape::expect(kernel, "bias_2", self.biases[1], &[out_width])?;
        sequence.expect_tokens(kernel, "residual", self.residual)?;
        sequence.expect_tokens(kernel, "out", self.out)?;
        sequence.expect_modulation(kernel, "modulation", self.modulation, &[("gate", self.gate)])?;
        if let Some(saved) = self.saved {
            sequence.expect_tokens(kernel, "saved", saved)?;
        }
        if let Some(before_gelu) = self.before_gelu {
            shape::ensure(kernel, !Self::makes_again(stream), || {
                "what GELU is given is not kept where products are of bfloat16".into()
            })?;
            shape::expect(kernel, "before_gelu", before_gelu, &[rows, hidden])?;
        }
        let unused = [stream.allocate(4)?, stream.allocate(4)?];
        stream.launch(&Launch {
            kernel,
            parameters: Parameters {
                rows: shape::dimension(kernel, "rows", rows)?,
                width: shape::dimension(kernel, "width", width)?,
                hidden: shape::dimension(kernel, "hidden", hidden)?,
                out_width: shape::dimension(kernel, "out_width", out_width)?,
                tokens: shape::dimension(kernel, "tokens", sequence.tokens)?,
                modulation_width: shape::dimension(kernel, "modulation_width", sequence.modulation_width)?,
                gate: shape::dimension(kernel, "gate", self.gate)?,
                save: u32::from(self.saved.is_some()),
                keep: u32::from(self.before_gelu.is_some()),
            },
            buffers: &[
                self.x,
                self.weights[0],
                self.biases[0],
                self.weights[1],
                self.biases[1],
                self.residual,
                self.modulation,
                self.out,
                self.saved.unwrap_or(&unused[0]),
                self.before_gelu.unwrap_or(&unused[1]),
            ],
            constants: &[],
            workgroups: [1; 3],
        })
    }
}

/// The kernel for the precision that a stream's device was opened with.
pub(crate) fn of_precision(stream: &Stream, single: &'static Kernel, half: &'static Kernel) -> Result<&'static Kernel> {
    shape::ensure(single, FeedForward::runs_on(stream), || format!("{} is no CPU", stream.device()))?;
    Ok(if stream.device().half() == Some(Half::Bfloat16) { half } else { single })
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    run(parameters, arguments, Unit::exact());
}

fn cpu_half(parameters: &[u8], arguments: Arguments<'_>) {
    run(parameters, arguments, Some(Unit::rounding()));
}

fn run(parameters: &[u8], arguments: Arguments<'_>, unit: Option<Unit>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [x, weight_1, bias_1, weight_2, bias_2, residual, modulation, out, saved, before_gelu] = arguments.take();
    let (out_width, tokens) = (parameters.out_width as usize, parameters.tokens as usize);
    let (columns, gate) = (parameters.modulation_width as usize, parameters.gate as usize);
    let (bias_2, residual, modulation) = (bias_2.read::<f32>(), residual.read::<f32>(), modulation.read::<f32>());
    let widths = [parameters.width as usize, parameters.hidden as usize, out_width];
    let (x, weights, bias) = (x.read(), [weight_1.read(), weight_2.read()], bias_1.read());
    let of_row = |row: usize| {
        (&modulation[row / tokens * columns + gate..][..out_width], &residual[row * out_width..][..out_width])
    };
    let save = parameters.save != 0;
    let finish: &Finish<'_> = if save {
        &|row, saved, out| {
            let (gate, residual) = of_row(row);
            gate_residual(saved, bias_2, gate, residual, out);
        }
    } else {
        &|row, out, _| {
            let (gate, residual) = of_row(row);
            gate_residual_in_place(out, bias_2, gate, residual);
        }
    };
    // What is gated goes where it is wanted.
    let (product, beside) = if save { (saved.write(), out.write()) } else { (out.write(), &mut [][..]) };
    let to = Destination { out: product, into: Into::Overwrite, finish: Some(finish), beside };
    if let Some(unit) = unit {
        return bfloat16::feed_forward::forward(Layers { unit, widths, x, weights, bias }, to);
    }
    let before_gelu = if parameters.keep != 0 { before_gelu.write() } else { &mut [][..] };
    InPanels { widths, x, weights, bias, before_gelu }.forward(to);
}
