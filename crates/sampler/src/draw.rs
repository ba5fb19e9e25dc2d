//! From noise to images, with a bar of progress.

use anyhow::ensure;
use dit::{Dit, Weights};
use flow::{Moment, SampleOptions, noise, sample_counting, sample_from, trajectory};
use indicatif::ProgressBar;
use programs::{say, steps_bar};
use runtime::{Device, Stream};

use crate::args::Args;
use crate::plan::Plan;
use crate::request::Variant;

/// Tokens at once: enough to keep the device busy, little enough to stay in a CPU's caches and in
/// the memory of a small GPU, whatever the size of an image.
const TOKENS_ON_CPU: usize = 25 * 49;
const TOKENS_ON_GPU: usize = 250 * 49;

/// Draws the panels of a plan, each from the same noise; the values are within [-1, 1]. Tells how often the network was
/// evaluated for an image at most.
///
/// # Errors
/// What the device reports, and images that are no numbers.
pub fn draw(device: &Device, weights: &Weights, plan: &Plan, args: &Args) -> anyhow::Result<(Vec<Vec<f32>>, usize)> {
    let mut stream = device.stream()?;
    let model = Dit::from_weights(&mut stream, &plan.weights(weights))?;
    args.trace.start(&mut stream)?;
    let batch = args.batch.unwrap_or_else(|| default_batch(device, weights.config.tokens()));
    let batches = plan.labels.len().div_ceil(batch);
    let steps = |variant: &Variant| batches * variant.options(batch).steps;
    let bar = steps_bar(plan.variants.iter().map(steps).sum());
    let (mut done, mut most) = (0, 0);
    let mut panel = |variant: &Variant| {
        let options = variant.options(batch);
        let progress = |step| bar.set_position((done + step) as u64);
        let (mut values, evaluations) = match plan.mixed_noise(&mut stream, &model, options.seed)? {
            Some(noise) => sample_from(&mut stream, &model, &noise, &plan.labels, &options, progress)?,
            None => sample_counting(&mut stream, &model, &plan.labels, &options, progress)?,
        };
        most = most.max(evaluations);
        check(&values, variant.guidance)?;
        values.iter_mut().for_each(|value| *value = value.clamp(-1.0, 1.0));
        done += steps(variant);
        Ok(values)
    };
    let panels = plan.variants.iter().map(&mut panel).collect::<anyhow::Result<_>>()?;
    finish(&bar, args, &mut stream)?;
    Ok((panels, most))
}

/// Draws the one panel of a plan, and gives about `moments` + 1 moments of it, from noise to images.
///
/// # Errors
/// As [`draw`].
pub fn draw_trajectory(
    device: &Device,
    weights: &Weights,
    plan: &Plan,
    args: &Args,
    moments: usize,
) -> anyhow::Result<Vec<Moment>> {
    let mut stream = device.stream()?;
    let model = Dit::from_weights(&mut stream, &plan.weights(weights))?;
    args.trace.start(&mut stream)?;
    let options = plan.variants[0].options(plan.labels.len());
    let bar = steps_bar(options.steps);
    let start = match plan.mixed_noise(&mut stream, &model, options.seed)? {
        Some(noise) => noise,
        None => noise(&mut stream, &model, options.seed, plan.labels.len())?,
    };
    let progress = |step| bar.set_position(step as u64);
    let seen = trajectory(&mut stream, &model, &start, &plan.labels, &options, moments, progress)?;
    for moment in &seen {
        check(&moment.x, options.guidance)?;
        check(&moment.end, options.guidance)?;
    }
    finish(&bar, args, &mut stream)?;
    Ok(seen)
}

impl Variant {
    /// What the flags mean, for images drawn so many at once.
    fn options(&self, batch: usize) -> SampleOptions {
        self.args.flow.options(self.guidance, self.args.seed, batch)
    }
}

fn check(values: &[f32], guidance: f32) -> anyhow::Result<()> {
    ensure!(
        values.iter().all(|value| value.is_finite()),
        "guidance {guidance} gave images that are no finite numbers, so nothing was written; \
         lower --guidance, or take other weights if it is not high"
    );
    Ok(())
}

fn finish(bar: &ProgressBar, args: &Args, stream: &mut Stream) -> anyhow::Result<()> {
    if let Some(line) = args.trace.write(stream)? {
        bar.suspend(|| say(line));
    }
    Ok(())
}

fn default_batch(device: &Device, tokens: usize) -> usize {
    let at_once = if device.is_hardware_gpu() { TOKENS_ON_GPU } else { TOKENS_ON_CPU };
    (at_once / tokens).max(1)
}
