//! AdamW over the arena, with gradient clipping and a moving average of the parameters.

use kernels::{AdamW, GradientClip, SumOfSquares};
use runtime::{Buffer, Result, Stream};

use crate::{Gradients, Parameters};

/// The settings of AdamW, of clipping, and of the moving average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWOptions {
    /// The decay of the first moment.
    pub beta1: f32,
    /// The decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// The share of each parameter that a step at rate 1 would take away.
    pub weight_decay: f32,
    /// The largest norm of all gradients together that is let through.
    pub max_norm: f32,
    /// The decay of the average of the parameters, once training is under way: see [`Optimizer::step`].
    pub average_decay: f32,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0, max_norm: 1.0, average_decay: 0.999 }
    }
}

/// Partial sums of the norm, of each piece of the arena: enough workgroups to fill a GPU.
const PARTIALS: usize = 256;

/// The state of AdamW: two moments and an average, each an arena in the layout of the parameters.
#[derive(Debug)]
pub struct Optimizer {
    options: AdamWOptions,
    /// The first moment.
    pub first: Buffer,
    /// The second moment.
    pub second: Buffer,
    /// The moving average of the parameters.
    pub average: Buffer,
    /// Steps taken.
    pub steps: u32,
    partials: Buffer,
}

impl Optimizer {
    /// Moments of zero, and an average that starts at the parameters.
    ///
    /// # Errors
    /// What the device reports.
    pub fn new(stream: &mut Stream, parameters: &Parameters, options: AdamWOptions) -> Result<Self> {
        let average = parameters.arena_like(stream)?;
        stream.copy(parameters.arena(), &average)?;
        Ok(Self {
            options,
            first: parameters.arena_like(stream)?,
            second: parameters.arena_like(stream)?,
            average,
            steps: 0,
            partials: stream.allocate(PARTIALS * stream.device().pieces(parameters.arena()).count())?,
        })
    }

    /// Applies the gradients at a learning rate. The average decays by
    /// min(average_decay, (1 + step) / (10 + step)), so that it forgets its start. `clip` (2) gets the
    /// norm of all gradients and the factor they were multiplied with.
    ///
    /// # Errors
    /// What the device reports.
    pub fn step(
        &mut self,
        stream: &mut Stream,
        parameters: &Parameters,
        gradients: &Gradients,
        rate: f32,
        clip: &Buffer,
    ) -> Result<()> {
        self.steps += 1;
        let AdamWOptions { beta1, beta2, epsilon, weight_decay, max_norm, average_decay } = self.options;
        let step = self.steps as f32;
        let device = stream.device().clone();
        for (i, x) in device.pieces(gradients.arena()).enumerate() {
            let partials = self.partials.slice(i * PARTIALS..(i + 1) * PARTIALS);
            SumOfSquares { x: &x, partials: &partials }.launch(stream)?;
        }
        GradientClip { partials: &self.partials, out: clip, max_norm }.launch(stream)?;
        let weights = device.pieces(gradients.arena()).zip(device.pieces(parameters.arena()));
        let moments = device.pieces(&self.first).zip(device.pieces(&self.second));
        let averages = device.pieces(&self.average);
        for (((gradients, parameters), (first, second)), average) in weights.zip(moments).zip(averages) {
            AdamW {
                gradients: &gradients,
                clip,
                parameters: &parameters,
                first: &first,
                second: &second,
                average: &average,
                step: self.steps,
                rate,
                beta1,
                beta2,
                epsilon,
                weight_decay,
                decay: average_decay.min((1.0 + step) / (10.0 + step)),
            }
            .launch(stream)?;
        }
        Ok(())
    }
}
