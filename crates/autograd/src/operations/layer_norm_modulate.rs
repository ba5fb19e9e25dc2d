//! LayerNorm with adaLN modulation.

use kernels::{LayerNormModulate, LayerNormModulateBackward, ModulationBackward};
use runtime::Result;

use crate::{Tape, Variable};

impl Tape<'_> {
    /// n · (1 + scale) + shift, n the rows of x normalised; `shift` and `scale` are the first of
    /// the D columns of `modulation` that hold them, one row for all tokens of an item, and `epsilon` is
    /// added to the variance.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn layer_norm_modulate(
        &mut self,
        x: &Variable,
        modulation: &Variable,
        shift: usize,
        scale: usize,
        epsilon: f32,
    ) -> Result<Variable> {
        let (rows, width) = (x.rows(), x.columns());
        let sequence = super::sequence(rows, width, modulation);
        let (out, statistics) = (self.allocate(rows, width)?, self.allocate(rows, 2)?);
        LayerNormModulate {
            x: x.value(),
            modulation: modulation.value(),
            out: &out,
            statistics: &statistics,
            sequence,
            shift,
            scale,
            epsilon,
        }
        .launch(self.stream)?;
        let (x, modulation) = (x.clone(), modulation.clone());
        Ok(self.push(out, rows, width, move |back, upstream| {
            if let Some(out) = back.zeroed_target(&modulation)? {
                ModulationBackward {
                    x: x.value(),
                    statistics: &statistics,
                    upstream: &upstream,
                    out: &out,
                    sequence,
                    shift,
                    scale,
                }
                .launch(back.stream)?;
            }
            let Some((out, accumulate)) = back.target(&x)? else { return Ok(()) };
            LayerNormModulateBackward {
                x: x.value(),
                modulation: modulation.value(),
                statistics: &statistics,
                upstream: &upstream,
                out: &out,
                sequence,
                scale,
                accumulate,
            }
            .launch(back.stream)
        }))
    }
}
