//! What makes a run the run it is: stored in its checkpoint. Resuming changes the number of steps at most.

use anyhow::bail;
use datasets::Splits;
use dit::Config;
use flow::{AdamWOptions, TimeSampling, TrainOptions};
use programs::Preset;
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::data::Source;

/// The share of labels dropped unless told otherwise (Ho and Salimans, 2207.12598).
pub fn label_dropout() -> f32 {
    0.1
}

/// The optimiser's own.
pub fn weight_decay() -> f32 {
    AdamWOptions::default().weight_decay
}

/// The settings of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The model's sizes.
    pub model: Config,
    /// The images.
    pub data: Source,
    /// Images a step.
    pub batch: usize,
    /// The learning rate after warm-up.
    pub rate: f64,
    /// Steps of warm-up.
    pub warmup: u32,
    /// The decay of the moving average of the weights.
    pub average_decay: f64,
    /// The decay of the weights; like all below that have a default, older checkpoints do not have it.
    #[serde(default = "weight_decay")]
    pub weight_decay: f32,
    /// The share of labels dropped.
    #[serde(default = "label_dropout")]
    pub label_dropout: f32,
    /// How times are drawn.
    #[serde(default)]
    pub times: TimeSampling,
    /// The seed of everything random.
    pub seed: u64,
    /// Steps of the whole run, which the learning rate's cosine spans.
    pub steps: u32,
}

impl Settings {
    /// The settings of a new run.
    pub fn new(arguments: &Arguments, splits: &Splits, hardware_gpu: bool) -> anyhow::Result<Self> {
        let preset = arguments.preset.unwrap_or(Preset::for_device(hardware_gpu));
        let defaults = preset.defaults();
        let train = &splits.train;
        let model = arguments.model.over(preset.config(train.side(), train.channels(), train.classes()));
        let model = Config { path: arguments.path, ..model };
        model.validate()?;
        let batch = arguments.batch.unwrap_or(defaults.batch.min(train.count()));
        if batch > train.count() {
            bail!("--batch {batch} exceeds the {} training images; choose a smaller one", train.count());
        }
        let steps = match total_steps(arguments, batch, train.count())? {
            Some(steps) => steps,
            None => steps_of(defaults.epochs, batch, train.count())?,
        };
        Ok(Self {
            model,
            data: Source::new(arguments.data.as_deref(), train)?,
            batch,
            rate: arguments.lr.unwrap_or(defaults.rate),
            warmup: arguments.warmup.unwrap_or(defaults.warmup),
            average_decay: arguments.ema.unwrap_or(defaults.average_decay),
            weight_decay: arguments.weight_decay,
            label_dropout: arguments.label_dropout,
            times: arguments.time_sampling,
            seed: arguments.seed,
            steps,
        })
    }

    /// These settings for a run that goes on, with the total that `--steps` or `--epochs` ask for.
    pub fn resumed(&self, arguments: &Arguments, images: usize) -> anyhow::Result<Self> {
        let steps = total_steps(arguments, self.batch, images)?.unwrap_or(self.steps);
        Ok(Self { steps, ..self.clone() })
    }

    /// The learning rate of a step, from 0 on: a linear rise, times half a cosine down to zero.
    pub fn rate_at(&self, step: u32) -> f32 {
        let rise = (f64::from(step) + 1.0) / f64::from(self.warmup.max(1));
        let fall = 0.5 + 0.5 * (std::f64::consts::PI * f64::from(step) / f64::from(self.steps)).cos();
        (self.rate * rise.min(1.0) * fall) as f32
    }

    /// What the training step takes.
    pub fn train_options(&self) -> TrainOptions {
        TrainOptions {
            batch: self.batch,
            seed: self.seed,
            label_dropout: self.label_dropout,
            times: self.times,
            adamw: AdamWOptions {
                weight_decay: self.weight_decay,
                average_decay: self.average_decay as f32,
                ..AdamWOptions::default()
            },
        }
    }
}

/// The total that `--steps` or `--epochs` ask for, if either is given.
fn total_steps(arguments: &Arguments, batch: usize, images: usize) -> anyhow::Result<Option<u32>> {
    match (arguments.steps, arguments.epochs) {
        (Some(steps), _) => Ok(Some(steps)),
        (None, Some(epochs)) => steps_of(epochs, batch, images).map(Some),
        (None, None) => Ok(None),
    }
}

fn steps_of(epochs: f64, batch: usize, images: usize) -> anyhow::Result<u32> {
    let steps = (epochs * images as f64 / batch as f64).ceil().max(1.0);
    if steps > f64::from(u32::MAX) {
        bail!("--epochs {epochs} is more than {} steps; choose fewer", u32::MAX);
    }
    Ok(steps as u32)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A checkpoint from before these settings could be chosen goes on as it began.
    #[test]
    fn older_checkpoints_resume_with_what_they_were_trained_with() {
        let text = r#"{"model":{"side":28,"channels":1,"patch":4,"width":64,"depth":3,"heads":2,"classes":10,
            "time_scale":1000.0},"data":DATA,"batch":64,"rate":0.002,"warmup":100,"average_decay":0.995,"seed":3,"steps":9}"#;
        let source = r#"{"directory":null,"sha256":"00"}"#;
        let settings: Settings = serde_json::from_str(&text.replace("DATA", source)).unwrap();
        let options = settings.train_options();
        assert_eq!((options.label_dropout, options.times), (0.1, TimeSampling::Uniform));
        assert_eq!(options.adamw.weight_decay, 0.0);
        assert!(settings.model.path.is_cond_ot());
    }
}
