//! `sample`: from noise to digits.

use std::time::Instant;

use anyhow::{Result, ensure};
use dit::Dit;
use flow::SampleOptions;
use runtime::Stream;

use super::{described, memory};
use crate::args::SampleArgs;
use crate::report::{Cell, Table};
use crate::statistics::median;

/// Draws digits several times, after a short run that does not count.
pub fn sample(stream: &mut Stream, args: &SampleArgs) -> Result<Vec<Table>> {
    ensure!(args.guidance.is_finite(), "--guidance {} is no number; give a scale such as 3", args.guidance);
    let common = &args.model.common;
    let (config, preset_batch) = args.model.model(stream.device().is_large_gpu());
    let (count, steps) = if common.quick { (3, 2) } else { (args.count as usize, args.steps as usize) };
    let batch = preset_batch.min(count);
    let model = Dit::new(stream, config, 0)?;
    let labels: Vec<u32> = (0..count).map(|i| (i % config.classes) as u32).collect();
    let mut draw = |steps: usize| -> Result<f64> {
        let options = SampleOptions { steps, guidance: args.guidance, batch, ..SampleOptions::default() };
        let start = Instant::now();
        flow::sample(stream, &model, &labels, &options, |_| {})?;
        Ok(start.elapsed().as_secs_f64())
    };
    draw(1)?;
    let seconds = (0..common.runs()).map(|_| draw(steps)).collect::<Result<Vec<_>>>()?;

    let title = format!(
        "Sampling: {count} images, {steps} steps of Euler's method, guidance {}; {}",
        args.guidance,
        described(&config, batch)
    );
    let mut table = Table::new(
        title,
        &["time (s)", "images/s", "a step of a batch (ms)", "buffers (MiB)", "held (MiB)", "process (MiB)"],
    );
    let median = median(&seconds);
    let batches = count.div_ceil(batch);
    let [in_use, held, resident] = memory(stream);
    table.push(vec![
        Cell::Samples(seconds),
        Cell::Real(count as f64 / median),
        Cell::Real(1e3 * median / (batches * steps) as f64),
        in_use,
        held,
        resident,
    ]);
    Ok(vec![table])
}
