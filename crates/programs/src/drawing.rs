//! The flags that say which way leads from noise to an image.

use clap::Args;
use clap::builder::RangedU64ValueParser;
use flow::{SampleOptions, Solver};

use crate::Interval;

/// The way from noise to image.
#[derive(Clone, Debug, Args)]
pub struct FlowArgs {
    /// The part of the way on which to insist, such as 0.1..0.9: noise is at 0, the image at 1
    ///
    /// Outside of it the model draws as it learned, which keeps images more varied and takes half the
    /// time (Kynkäänniemi et al., arXiv 2404.07724).
    #[arg(long, value_name = "FROM..TO", default_value = "0..1")]
    pub guidance_interval: Interval,

    /// How a step is taken: euler, midpoint, heun or rk4
    ///
    /// They look at the image once, twice, twice and four times a step, and are of order 1, 2, 2 and 4: the
    /// higher the order, the less a step is off.
    #[arg(long, value_name = "SOLVER", default_value_t)]
    pub solver: Solver,

    /// Steps from noise to image; fewer are faster and coarser
    #[arg(long, value_name = "N", default_value = "50", value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000))]
    pub steps: usize,

    /// How much shorter steps are near the noise than near the image; 1 makes all alike
    ///
    /// A shift s moves the noise level x to s x / (1 + (s - 1) x), as Stable Diffusion 3 does (arXiv 2403.03206).
    #[arg(long, value_name = "SHIFT", default_value = "1", value_parser = positive, allow_negative_numbers = true)]
    pub time_shift: f32,
}

impl FlowArgs {
    /// What these flags mean for a guidance scale, a seed and a batch.
    pub fn options(&self, guidance: f32, seed: u64, batch: usize) -> SampleOptions {
        SampleOptions {
            solver: self.solver,
            steps: self.steps,
            time_shift: self.time_shift,
            guidance,
            guided: self.guidance_interval.times(),
            seed,
            batch,
        }
    }
}

/// A shift beyond which all but the last steps would stand still at an end.
const MOST_SHIFT: f32 = 1000.0;

fn positive(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|value| (1.0 / MOST_SHIFT..=MOST_SHIFT).contains(value));
    value.ok_or_else(|| format!("`{text}` is no number from {} to {MOST_SHIFT}", 1.0 / MOST_SHIFT))
}
