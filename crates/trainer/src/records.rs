//! What a run writes down while it goes on: metrics.csv, heldout.csv and TensorBoard's events.

use std::path::Path;

use anyhow::Context;
use flow::{StepRecord, TIME_BINS};
use image::DynamicImage;

use crate::events::Events;
use crate::folder::Folder;
use crate::table::Table;

const METRICS: [&str; 4] = ["step", "loss", "gradient_norm", "learning_rate"];

/// The files, open for more.
pub struct Records {
    metrics: Table,
    held_out: Table,
    events: Events,
}

impl Records {
    /// The files of a new run.
    pub fn create(folder: &Folder) -> anyhow::Result<Self> {
        Ok(Self {
            metrics: Table::create(&folder.metrics(), &METRICS)?,
            held_out: Table::create(&folder.held_out(), &held_out_columns())?,
            events: Events::create(&folder.events())?,
        })
    }

    /// The files of a run that goes on after `step`, without what they say of later ones.
    pub fn resume(folder: &Folder, step: u32) -> anyhow::Result<Self> {
        Ok(Self {
            metrics: Table::resume(&folder.metrics(), &METRICS, step)?,
            held_out: Table::resume(&folder.held_out(), &held_out_columns(), step)?,
            events: Events::resume(&folder.events(), step)?,
        })
    }

    /// Steps were taken.
    pub fn steps(&mut self, records: &[StepRecord], rate_at: impl Fn(u32) -> f32) -> anyhow::Result<()> {
        let rates: Vec<f32> = records.iter().map(|record| rate_at(record.step - 1)).collect();
        let rows = records.iter().zip(&rates);
        self.metrics
            .append(rows.clone().map(|(record, rate)| (record.step, record.loss, record.gradient_norm, rate)))?;
        self.events.numbers(rows.map(|(StepRecord { step, loss, gradient_norm }, rate)| {
            let [loss, norm, rate] = [loss, gradient_norm, rate].map(|number| f64::from(*number));
            (*step, vec![("train/loss", loss), ("train/gradient_norm", norm), ("train/learning_rate", rate)])
        }))
    }

    /// The loss on held-out images was taken after `step`, in each tenth of time. Gives its mean.
    pub fn held_out(&mut self, step: u32, losses: &[f64; TIME_BINS]) -> anyhow::Result<f64> {
        let mean = losses.iter().sum::<f64>() / TIME_BINS as f64;
        self.held_out.append([(step, mean as f32, losses.map(|loss| loss as f32))])?;
        let tags: Vec<String> = tenths().map(|tenth| format!("heldout_by_time/{tenth}")).collect();
        let by_time = tags.iter().map(String::as_str).zip(*losses);
        self.events.numbers([(step, std::iter::once(("heldout/loss", mean)).chain(by_time).collect())])?;
        Ok(mean)
    }

    /// Samples after `step` were written to `path`.
    pub fn samples(&mut self, step: u32, path: &Path, grid: &DynamicImage) -> anyhow::Result<()> {
        let png = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        self.events.picture(step, "samples", grid, png)
    }
}

/// The names of the tenths of time, such as `0.1..0.2`.
pub fn tenths() -> impl Iterator<Item = String> {
    let end = |bin: usize| bin as f64 / TIME_BINS as f64;
    (0..TIME_BINS).map(move |bin| format!("{:.1}..{:.1}", end(bin), end(bin + 1)))
}

fn held_out_columns() -> Vec<String> {
    ["step", "loss"].map(String::from).into_iter().chain(tenths()).collect()
}
