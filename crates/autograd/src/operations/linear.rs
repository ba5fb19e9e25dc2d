//! Linear layers, plain, with GELU, or gated onto a residual; and two of them around GELU.

use kernels::{
    Epilogue, FeedForward, FeedForwardBackward, GateBackward, GeluBackward, Layout, LinearBackward, MatMul, Sequence,
};
use runtime::{Buffer, Result};

use crate::tape::Backward;
use crate::{Parameter, Tape, Variable};

/// What follows the affine map of [`Tape::linear`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// GELU in its tanh approximation.
    Gelu,
}

impl Tape<'_> {
    /// activation(x · weightᵀ + bias), with weight (out, in) or, as for a convolution over patches,
    /// (out, ...) with as many further elements as x has columns.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn linear(&mut self, x: &Variable, [weight, bias]: [Parameter; 2], activation: Activation) -> Result<Variable> {
        let (rows, columns) = (x.rows(), self.parameters.rows(weight));
        let out = self.allocate(rows, columns)?;
        let saved = match activation {
            Activation::Gelu if self.records() => Some(self.allocate(rows, columns)?),
            _ => None,
        };
        let bias_value = &self.parameters.value(bias);
        let epilogue = match activation {
            Activation::Identity => Epilogue::Bias { bias: bias_value },
            Activation::Gelu => Epilogue::Gelu { bias: bias_value, saved: saved.as_ref() },
        };
        self.affine(x, weight, &out, epilogue)?;
        let x = x.clone();
        Ok(self.push(out, rows, columns, move |back, upstream| {
            let upstream = match saved {
                None => upstream,
                Some(saved) => {
                    let out = back.stream.allocate(upstream.len())?;
                    GeluBackward { x: &saved, upstream: &upstream, out: &out }.launch(back.stream)?;
                    out
                }
            };
            affine_backward(back, &x, [weight, bias], &upstream)
        }))
    }

    /// residual + gate ⊙ (x · weightᵀ + bias), where `gate` is the first of the D columns of
    /// `modulation` that hold one gate for all tokens of an item.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn gated_linear(
        &mut self,
        x: &Variable,
        linear: [Parameter; 2],
        residual: &Variable,
        modulation: &Variable,
        gate: usize,
    ) -> Result<Variable> {
        let (out, gated) = self.gated_affine(x, linear, residual, modulation, gate)?;
        let x = x.clone();
        Ok(self.push(out, residual.rows(), residual.columns(), move |back, upstream| {
            let Some(gated) = gated else { return Ok(()) };
            let upstream = gated.backward(back, upstream)?;
            affine_backward(back, &x, linear, &upstream)
        }))
    }

    /// residual + gate ⊙ (gelu(x · weight₁ᵀ + bias₁) · weight₂ᵀ + bias₂), the MLP of a block: as [`Tape::linear`] with
    /// GELU and [`Tape::gated_linear`]. A CPU has a kernel for the whole, and one for all gradients, and no more than what GELU is
    /// given is ever stored; elsewhere the gradient goes through GELU where the second layer's product makes it.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn feed_forward(
        &mut self,
        x: &Variable,
        layers: [[Parameter; 2]; 2],
        residual: &Variable,
        modulation: &Variable,
        gate: usize,
    ) -> Result<Variable> {
        if FeedForward::runs_on(self.stream) {
            self.feed_forward_at_once(x, layers, residual, modulation, gate)
        } else {
            self.feed_forward_by_layers(x, layers, residual, modulation, gate)
        }
    }

    fn feed_forward_at_once(
        &mut self,
        x: &Variable,
        layers: [[Parameter; 2]; 2],
        residual: &Variable,
        modulation: &Variable,
        gate: usize,
    ) -> Result<Variable> {
        let ([first, second], rows) = (layers, x.rows());
        let [width, hidden, columns] = [x.columns(), self.parameters.rows(first[0]), self.parameters.rows(second[0])];
        let sequence = super::sequence(rows, columns, modulation);
        let out = self.allocate(rows, columns)?;
        let y = if self.records() { Some(self.allocate(rows, columns)?) } else { None };
        let keeps = self.records() && !FeedForward::makes_again(self.stream);
        let before_gelu = if keeps { Some(self.allocate(rows, hidden)?) } else { None };
        let [weights, biases] = [0, 1].map(|i| layers.map(|layer| self.parameters.value(layer[i])));
        FeedForward {
            x: x.value(),
            weights: weights.each_ref(),
            biases: biases.each_ref(),
            residual: residual.value(),
            modulation: modulation.value(),
            sequence,
            gate,
            widths: [width, hidden],
            out: &out,
            saved: y.as_ref(),
            before_gelu: before_gelu.as_ref(),
        }
        .launch(self.stream)?;
        let gated = y.map(|y| Gated { y, residual: residual.clone(), modulation: modulation.clone(), sequence, gate });
        let x = x.clone();
        Ok(self.push(out, rows, columns, move |back, upstream| {
            let Some(gated) = gated else { return Ok(()) };
            let upstream = gated.backward(back, upstream)?;
            feed_forward_backward(back, &x, layers, before_gelu.as_ref(), &upstream)
        }))
    }

    fn feed_forward_by_layers(
        &mut self,
        x: &Variable,
        [first, second]: [[Parameter; 2]; 2],
        residual: &Variable,
        modulation: &Variable,
        gate: usize,
    ) -> Result<Variable> {
        let (rows, width) = (x.rows(), self.parameters.rows(first[0]));
        let hidden = Variable::constant(self.allocate(rows, width)?, rows, width);
        let before_gelu = if self.records() { Some(self.allocate(rows, width)?) } else { None };
        let bias = &self.parameters.value(first[1]);
        self.affine(x, first[0], hidden.value(), Epilogue::Gelu { bias, saved: before_gelu.as_ref() })?;
        let (out, gated) = self.gated_affine(&hidden, second, residual, modulation, gate)?;
        let x = x.clone();
        Ok(self.push(out, residual.rows(), residual.columns(), move |back, upstream| {
            let (Some(gated), Some(before_gelu)) = (gated, before_gelu) else { return Ok(()) };
            let upstream = gated.backward(back, upstream)?;
            parameters_backward(back, &hidden, second, &upstream)?;
            let out = back.stream.allocate(before_gelu.len())?;
            let epilogue = Epilogue::GeluBackward { x: &before_gelu };
            input_backward(back, second[0], &upstream, &out, [rows, width], epilogue)?;
            affine_backward(back, &x, first, &out)
        }))
    }

    /// The value of [`Tape::gated_linear`], and what its gradient needs, if there will be one.
    fn gated_affine(
        &mut self,
        x: &Variable,
        [weight, bias]: [Parameter; 2],
        residual: &Variable,
        modulation: &Variable,
        gate: usize,
    ) -> Result<(Buffer, Option<Gated>)> {
        let (rows, columns) = (x.rows(), self.parameters.rows(weight));
        let sequence = super::sequence(rows, columns, modulation);
        let out = self.allocate(rows, columns)?;
        let y = if self.records() { Some(self.allocate(rows, columns)?) } else { None };
        let epilogue = Epilogue::GateResidual {
            bias: &self.parameters.value(bias),
            residual: residual.value(),
            modulation: modulation.value(),
            modulation_width: sequence.modulation_width,
            gate,
            tokens: sequence.tokens,
            saved: y.as_ref(),
        };
        self.affine(x, weight, &out, epilogue)?;
        let (residual, modulation) = (residual.clone(), modulation.clone());
        Ok((out, y.map(|y| Gated { y, residual, modulation, sequence, gate })))
    }

    fn affine(&mut self, x: &Variable, weight: Parameter, out: &Buffer, epilogue: Epilogue<'_>) -> Result<()> {
        MatMul {
            a: x.value(),
            b: &self.parameters.value(weight),
            out,
            layout: Layout::BTransposed,
            m: x.rows(),
            n: self.parameters.rows(weight),
            k: x.columns(),
            epilogue,
        }
        .launch(self.stream)
    }
}

/// residual + gate ⊙ y
struct Gated {
    y: Buffer,
    residual: Variable,
    modulation: Variable,
    sequence: Sequence,
    gate: usize,
}

impl Gated {
    /// From the gradient at the sum to those of the residual and of the gate, and that of y, which it returns.
    fn backward(self, back: &mut Backward<'_, '_>, upstream: Buffer) -> Result<Buffer> {
        // A modulation that wants no gradient gets one all the same, and nobody reads it.
        let out_modulation = match back.zeroed_target(&self.modulation)? {
            Some(out) => out,
            None => back.stream.allocate(self.modulation.value().len())?,
        };
        let out_y = back.stream.allocate(upstream.len())?;
        GateBackward {
            y: &self.y,
            modulation: self.modulation.value(),
            upstream: &upstream,
            out_y: &out_y,
            out_modulation: &out_modulation,
            sequence: self.sequence,
            gate: self.gate,
        }
        .launch(back.stream)?;
        back.give(&self.residual, upstream)?;
        Ok(out_y)
    }
}

fn into(accumulate: bool) -> Epilogue<'static> {
    if accumulate { Epilogue::Add } else { Epilogue::Overwrite }
}

/// From the gradient at x · weightᵀ + bias, (rows, out), to those of x, weight and bias.
fn affine_backward(back: &mut Backward<'_, '_>, x: &Variable, linear: [Parameter; 2], upstream: &Buffer) -> Result<()> {
    if let Some((out, accumulate)) = back.target(x)? {
        input_backward(back, linear[0], upstream, &out, [x.rows(), x.columns()], into(accumulate))?;
    }
    parameters_backward(back, x, linear, upstream)
}

/// From the gradient at gelu(x · weight₁ᵀ + bias₁) · weight₂ᵀ + bias₂, (rows, out), to those of x, weights and biases, in one
/// kernel; with what GELU was given, if it was kept.
fn feed_forward_backward(
    back: &mut Backward<'_, '_>,
    x: &Variable,
    layers: [[Parameter; 2]; 2],
    before_gelu: Option<&Buffer>,
    upstream: &Buffer,
) -> Result<()> {
    // An x that wants no gradient gets one all the same, and nobody reads it.
    let (out_x, accumulate) = match back.target(x)? {
        Some(target) => target,
        None => (back.stream.allocate(x.value().len())?, false),
    };
    let [first, second] = layers.map(|[weight, _]| back.parameters.rows(weight));
    let [weights, biases] = [0, 1].map(|i| layers.map(|layer| back.parameters.value(layer[i])));
    let targets = layers.map(|layer| layer.map(|parameter| back.parameter_target(parameter)));
    let [out_weights, out_biases] = [0, 1].map(|i| targets.each_ref().map(|layer| (&layer[i].0, layer[i].1)));
    FeedForwardBackward {
        x: x.value(),
        weights: weights.each_ref(),
        bias: &biases[0],
        before_gelu,
        upstream,
        rows: x.rows(),
        widths: [x.columns(), first, second],
        out_x: (&out_x, accumulate),
        out_weights,
        out_biases,
    }
    .launch(back.stream)
}

/// From the gradient at x · weightᵀ + bias, (rows, out), to that of x, which is (rows, inner).
fn input_backward(
    back: &mut Backward<'_, '_>,
    weight: Parameter,
    upstream: &Buffer,
    out: &Buffer,
    [rows, inner]: [usize; 2],
    epilogue: Epilogue<'_>,
) -> Result<()> {
    MatMul {
        a: upstream,
        b: &back.parameters.value(weight),
        out,
        layout: Layout::Plain,
        m: rows,
        n: inner,
        k: back.parameters.rows(weight),
        epilogue,
    }
    .launch(back.stream)
}

/// From the gradient at x · weightᵀ + bias, (rows, out), to those of weight and bias.
fn parameters_backward(
    back: &mut Backward<'_, '_>,
    x: &Variable,
    [weight, bias]: [Parameter; 2],
    upstream: &Buffer,
) -> Result<()> {
    let [(out_weight, add_to_weight), (out_bias, add_to_bias)] = [weight, bias].map(|part| back.parameter_target(part));
    LinearBackward {
        x: x.value(),
        upstream,
        sizes: [x.rows(), x.columns(), back.parameters.rows(weight)],
        out_weight: (&out_weight, add_to_weight),
        out_bias: (&out_bias, add_to_bias),
    }
    .launch(back.stream)
}
