//! Linear layers, plain, with GELU, or gated onto a residual.

use kernels::{ColumnSum, Epilogue, GateBackward, GeluBackward, Layout, MatMul};
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
        let (rows, columns) = (x.rows(), self.parameters.shape(weight)[0]);
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
            affine_backward(back, &x, weight, bias, &upstream)
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
        [weight, bias]: [Parameter; 2],
        residual: &Variable,
        modulation: &Variable,
        gate: usize,
    ) -> Result<Variable> {
        let (rows, columns) = (x.rows(), self.parameters.shape(weight)[0]);
        let sequence = super::sequence(rows, columns, modulation);
        let out = self.allocate(rows, columns)?;
        let saved = if self.records() { Some(self.allocate(rows, columns)?) } else { None };
        let epilogue = Epilogue::GateResidual {
            bias: &self.parameters.value(bias),
            residual: residual.value(),
            modulation: modulation.value(),
            modulation_width: sequence.modulation_width,
            gate,
            tokens: sequence.tokens,
            saved: saved.as_ref(),
        };
        self.affine(x, weight, &out, epilogue)?;
        let (x, residual, modulation) = (x.clone(), residual.clone(), modulation.clone());
        Ok(self.push(out, rows, columns, move |back, upstream| {
            let Some(y) = saved else { return Ok(()) };
            // A modulation that wants no gradient gets one all the same, and nobody reads it.
            let out_modulation = match back.zeroed_target(&modulation)? {
                Some(out) => out,
                None => back.stream.allocate(modulation.value().len())?,
            };
            let out_y = back.stream.allocate(upstream.len())?;
            GateBackward {
                y: &y,
                modulation: modulation.value(),
                upstream: &upstream,
                out_y: &out_y,
                out_modulation: &out_modulation,
                sequence,
                gate,
            }
            .launch(back.stream)?;
            back.give(&residual, upstream)?;
            affine_backward(back, &x, weight, bias, &out_y)
        }))
    }

    fn affine(&mut self, x: &Variable, weight: Parameter, out: &Buffer, epilogue: Epilogue<'_>) -> Result<()> {
        MatMul {
            a: x.value(),
            b: &self.parameters.value(weight),
            out,
            layout: Layout::BTransposed,
            m: x.rows(),
            n: self.parameters.shape(weight)[0],
            k: x.columns(),
            epilogue,
        }
        .launch(self.stream)
    }
}

/// From the gradient at x · weightᵀ + bias, (rows, out), to those of x, weight and bias.
fn affine_backward(
    back: &mut Backward<'_, '_>,
    x: &Variable,
    weight: Parameter,
    bias: Parameter,
    upstream: &Buffer,
) -> Result<()> {
    let (rows, columns, inner) = (x.rows(), back.parameters.shape(weight)[0], x.columns());
    let into = |accumulate| if accumulate { Epilogue::Add } else { Epilogue::Overwrite };
    if let Some((out, accumulate)) = back.target(x)? {
        MatMul {
            a: upstream,
            b: &back.parameters.value(weight),
            out: &out,
            layout: Layout::Plain,
            m: rows,
            n: inner,
            k: columns,
            epilogue: into(accumulate),
        }
        .launch(back.stream)?;
    }
    let (out, accumulate) = back.parameter_target(weight);
    MatMul {
        a: upstream,
        b: x.value(),
        out: &out,
        layout: Layout::ATransposed,
        m: columns,
        n: inner,
        k: rows,
        epilogue: into(accumulate),
    }
    .launch(back.stream)?;
    let (out, accumulate) = back.parameter_target(bias);
    ColumnSum { x: upstream, out: &out, rows, columns, scale: 1.0, accumulate }.launch(back.stream)
}
