//! From noise to images, with a bar of progress.

use anyhow::ensure;
use dit::{Dit, Weights};
use flow::sample_counting;
use indicatif::{ProgressBar, ProgressStyle};
use programs::say;
use runtime::Device;

use crate::args::Args;
use crate::plan::Plan;

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
    let model = Dit::from_weights(&mut stream, weights)?;
    let labels = plan.labels();
    args.trace.start(&mut stream)?;
    let batch = args.batch.unwrap_or_else(|| default_batch(device, weights.config.tokens()));
    let steps = labels.len().div_ceil(batch) * args.flow.steps;
    let bar = progress_bar(steps * plan.guidance.len());
    let mut most = 0;
    let mut panel = |(index, &guidance): (usize, &f32)| {
        let options = args.flow.options(guidance, args.seed, batch);
        let progress = |step| bar.set_position((index * steps + step) as u64);
        let (mut values, evaluations) = sample_counting(&mut stream, &model, &labels, &options, progress)?;
        most = most.max(evaluations);
        ensure!(
            values.iter().all(|value| value.is_finite()),
            "guidance {guidance} gave images that are no finite numbers, so nothing was written; \
             lower --guidance, or take other weights if it is not high"
        );
        values.iter_mut().for_each(|value| *value = value.clamp(-1.0, 1.0));
        Ok(values)
    };
    let panels = plan.guidance.iter().enumerate().map(&mut panel).collect::<anyhow::Result<_>>()?;
    if let Some(line) = args.trace.write(&mut stream)? {
        bar.suspend(|| say(line));
    }
    Ok((panels, most))
}

fn default_batch(device: &Device, tokens: usize) -> usize {
    let at_once = if device.is_hardware_gpu() { TOKENS_ON_GPU } else { TOKENS_ON_CPU };
    (at_once / tokens).max(1)
}

/// On standard error, and only where that is a terminal.
fn progress_bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} steps, {elapsed} gone, {eta} left") {
        bar.set_style(style);
    }
    bar
}
