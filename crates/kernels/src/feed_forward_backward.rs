//! The gradients of a block's MLP in one kernel, for CPUs.

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream};

use crate::cpu::bfloat16::Unit;
use crate::cpu::feed_forward::{FeedForward as Layers, Gradients, Kept, SLICE, slices};
use crate::cpu::gemm::Into;
use crate::cpu::{bfloat16, parallel};
use crate::feed_forward::of_precision;
use crate::{ColumnSum, FeedForward, shape};

parameters! {
    width: u32,
    hidden: u32,
    out_width: u32,
    rows: u32,
    accumulate: u32,
    kept: u32,
}

const BINDINGS: &[Binding] = &[
    Binding::read("x"),
    Binding::read("weight_1"),
    Binding::read("bias_1"),
    Binding::read("weight_2"),
    Binding::read("before_gelu"),
    Binding::read("upstream"),
    Binding::write("out_x"),
    Binding::write("weight_1_sums"),
    Binding::write("bias_1_sums"),
    Binding::write("weight_2_sums"),
    Binding::write("bias_2_sums"),
];

/// Products as exact as in f32.
pub(crate) static KERNEL: Kernel =
    Kernel { name: "feed_forward_backward", wgsl: None, parameters: FIELDS, bindings: BINDINGS, cpu };

/// Operands rounded to bfloat16.
pub(crate) static HALF_KERNEL: Kernel =
    Kernel { name: "feed_forward_backward_half", wgsl: None, parameters: FIELDS, bindings: BINDINGS, cpu: cpu_half };

/// From the gradient at y = gelu(x · weight₁ᵀ + bias₁) · weight₂ᵀ + bias₂ to those of x, of the weights and of the biases.
/// What is between the layers, and its gradient, stays in cache, a few rows at a time. On a matrix unit, or
/// with operands rounded to bfloat16, x · weight₁ᵀ is made again; elsewhere, what GELU was given has to be kept.
#[derive(Debug)]
pub struct FeedForwardBackward<'a> {
    /// (rows, in)
    pub x: &'a Buffer,
    /// (hidden, in) and (out, hidden)
    pub weights: [&'a Buffer; 2],
    /// (hidden): bias₁.
    pub bias: &'a Buffer,
    /// (rows, hidden): x · weight₁ᵀ + bias₁, if it was kept.
    pub before_gelu: Option<&'a Buffer>,
    /// (rows, out): the gradient at y.
    pub upstream: &'a Buffer,
    /// Rows of x.
    pub rows: usize,
    /// in, hidden and out.
    pub widths: [usize; 3],
    /// As `x`: gets its gradient. Here and below with whether that is added to what is there.
    pub out_x: (&'a Buffer, bool),
    /// As `weights`: get their gradients.
    pub out_weights: [(&'a Buffer, bool); 2],
    /// (hidden) and (out): get those of the biases.
    pub out_biases: [(&'a Buffer, bool); 2],
}

impl FeedForwardBackward<'_> {
    /// Checks the shapes and launches the kernel, which sums over slices of the rows, and [`ColumnSum`] of the slices.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], also where [`FeedForward::runs_on`], or without `before_gelu` [`FeedForward::makes_again`], is not
    /// true, and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let kernel = of_precision(stream, &KERNEL, &HALF_KERNEL)?;
        let kernel = if self.before_gelu.is_some() { &KERNEL } else { kernel };
        shape::ensure(kernel, self.before_gelu.is_some() || FeedForward::makes_again(stream), || {
            format!("{} does not make again what GELU was given", stream.device())
        })?;
        let (rows, [width, hidden, out_width]) = (self.rows, self.widths);
        shape::expect(kernel, "x", self.x, &[rows, width])?;
        shape::expect(kernel, "out_x", self.out_x.0, &[rows, width])?;
        shape::expect(kernel, "upstream", self.upstream, &[rows, out_width])?;
        shape::expect(kernel, "weight_1", self.weights[0], &[hidden, width])?;
        shape::expect(kernel, "weight_2", self.weights[1], &[out_width, hidden])?;
        shape::expect(kernel, "bias_1", self.bias, &[hidden])?;
        if let Some(before_gelu) = self.before_gelu {
            shape::expect(kernel, "before_gelu", before_gelu, &[rows, hidden])?;
        }
        let slices = if self.before_gelu.is_some() { slices(rows) } else { rows.div_ceil(SLICE) };
        let lens = [hidden * width, hidden, out_width * hidden, out_width];
        let [of_weight_1, of_bias_1, of_weight_2, of_bias_2] = lens.map(|len| stream.allocate(slices * len));
        let sums = [of_weight_1?, of_bias_1?, of_weight_2?, of_bias_2?];
        stream.launch(&Launch {
            kernel,
            parameters: Parameters {
                width: shape::dimension(kernel, "width", width)?,
                hidden: shape::dimension(kernel, "hidden", hidden)?,
                out_width: shape::dimension(kernel, "out_width", out_width)?,
                rows: shape::dimension(kernel, "rows", rows)?,
                accumulate: u32::from(self.out_x.1),
                kept: u32::from(self.before_gelu.is_some()),
            },
            buffers: &[
                self.x,
                self.weights[0],
                self.bias,
                self.weights[1],
                self.before_gelu.unwrap_or(self.x),
                self.upstream,
                self.out_x.0,
                &sums[0],
                &sums[1],
                &sums[2],
                &sums[3],
            ],
            constants: &[],
            workgroups: [1; 3],
        })?;
        let ([weight_1, weight_2], [bias_1, bias_2]) = (self.out_weights, self.out_biases);
        for (((out, accumulate), x), columns) in [weight_1, bias_1, weight_2, bias_2].into_iter().zip(&sums).zip(lens) {
            ColumnSum { x, out, rows: slices, columns, scale: 1.0, accumulate }.launch(stream)?;
        }
        Ok(())
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    run(parameters, arguments, Unit::exact());
}

fn cpu_half(parameters: &[u8], arguments: Arguments<'_>) {
    run(parameters, arguments, Some(Unit::rounding()));
}

fn run(parameters: &[u8], arguments: Arguments<'_>, unit: Option<Unit>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [x, weight_1, bias_1, weight_2, before_gelu, upstream, out_x, of_weight_1, of_bias_1, of_weight_2, of_bias_2] =
        arguments.take();
    let widths = [parameters.width, parameters.hidden, parameters.out_width].map(|width| width as usize);
    let (x, weights, upstream) = (x.read(), [weight_1.read(), weight_2.read()], upstream.read());
    let gradients = Gradients {
        x: out_x.write(),
        into_x: if parameters.accumulate != 0 { Into::Add } else { Into::Overwrite },
        weights: [of_weight_1.write(), of_weight_2.write()],
        biases: [of_bias_1.write(), of_bias_2.write()],
    };
    if parameters.kept != 0 {
        return Kept { widths, x, weights, before_gelu: before_gelu.read(), upstream }.backward(gradients);
    }
    let Some(unit) = unit else { unreachable!("launched without what is kept on a CPU that does not make it again") };
    let layers = Layers { unit, widths, x, weights, bias: bias_1.read() };
    bfloat16::feed_forward::backward(layers, upstream, gradients);
}
