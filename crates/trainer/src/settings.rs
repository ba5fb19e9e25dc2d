//! What makes a run the run it is: stored in its checkpoint. Resuming changes the number of steps at most.

use std::path::PathBuf;

use anyhow::{bail, ensure};
use datasets::Splits;
use dit::{Config, Weights};
use flow::{AdamWOptions, TimeSampling, TrainOptions};
use programs::Preset;
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::data::Source;
use crate::schedule::Schedule;

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
    /// The weights that it begins with, if not random ones.
    #[serde(default)]
    pub from: Option<PathBuf>,
    /// The images.
    pub data: Source,
    /// Images a step.
    pub batch: usize,
    /// The learning rate after warm-up.
    pub rate: f64,
    /// Steps of warm-up.
    pub warmup: u32,
    /// What the learning rate does after it; a cosine in older checkpoints, which do not have it.
    #[serde(default)]
    pub schedule: Schedule,
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
    /// Steps of the whole run, which the learning rate's schedule spans.
    pub steps: u32,
}

impl Settings {
    /// The settings of a new run.
    pub fn new(arguments: &Arguments, splits: &Splits, hardware_gpu: bool) -> anyhow::Result<Self> {
        let preset = arguments.preset.unwrap_or(Preset::for_device(hardware_gpu));
        let defaults = preset.defaults();
        let train = &splits.train;
        let batch = arguments.batch.unwrap_or(defaults.batch.min(train.count()));
        let beginning = arguments.from.as_ref().map(Weights::load).transpose()?;
        let sizes = preset.config(train.side(), train.channels(), train.classes());
        let settings = Self {
            model: beginning.as_ref().map_or(sizes, |weights| weights.config),
            from: None,
            data: Source::new(&arguments.data, train)?,
            batch,
            rate: defaults.rate,
            warmup: defaults.warmup,
            schedule: Schedule::default(),
            average_decay: defaults.average_decay,
            weight_decay: weight_decay(),
            label_dropout: label_dropout(),
            times: defaults.times,
            seed: 0,
            steps: steps_of(defaults.epochs, batch, train.count())?,
        };
        let settings = settings.with(arguments, train.count())?;
        if let (Some(weights), Some(path)) = (beginning, &settings.from) {
            let of_images =
                Config { side: sizes.side, channels: sizes.channels, classes: sizes.classes, ..weights.config };
            ensure!(
                settings.model == weights.config && settings.model == of_images,
                "{} has weights of another model: {}; leave out --preset and sizes, and take images of that kind",
                path.display(),
                serde_json::to_string(&weights.config)?
            );
        }
        Ok(settings)
    }

    /// These settings with what the arguments say in their place; `images` is the number of training images.
    fn with(&self, arguments: &Arguments, images: usize) -> anyhow::Result<Self> {
        let Config { side, channels, classes, .. } = self.model;
        let model = arguments.preset.map_or(self.model, |preset| preset.config(side, channels, classes));
        let path = arguments.path.unwrap_or(self.model.path);
        let model = Config { path, ..arguments.model.over(model) };
        model.validate()?;
        let batch = arguments.batch.unwrap_or(self.batch);
        if batch > images {
            bail!("--batch {batch} exceeds the {images} training images; choose a smaller one");
        }
        let from = arguments.from.as_ref().map(std::path::absolute).transpose()?;
        Ok(Self {
            model,
            from: from.or_else(|| self.from.clone()),
            data: self.data.moved(&arguments.data)?,
            batch,
            rate: arguments.lr.unwrap_or(self.rate),
            warmup: arguments.warmup.unwrap_or(self.warmup),
            schedule: arguments.schedule.unwrap_or(self.schedule),
            average_decay: arguments.ema.unwrap_or(self.average_decay),
            weight_decay: arguments.weight_decay.unwrap_or(self.weight_decay),
            label_dropout: arguments.label_dropout.unwrap_or(self.label_dropout),
            times: arguments.time_sampling.unwrap_or(self.times),
            seed: arguments.seed.unwrap_or(self.seed),
            steps: total_steps(arguments, batch, images)?.unwrap_or(self.steps),
        })
    }

    /// These settings for a run that goes on, with the total that `--steps` or `--epochs` ask for, and the place where
    /// its images are now. Whatever else the arguments ask for must be so already.
    pub fn resumed(&self, arguments: &Arguments, images: usize) -> anyhow::Result<Self> {
        let asked = self.with(arguments, images)?;
        let going_on = Self { data: asked.data.clone(), steps: asked.steps, ..self.clone() };
        let differences: Vec<String> = going_on
            .keys()
            .into_iter()
            .zip(asked.keys())
            .filter(|(was, is)| was != is)
            .map(|((key, was), (_, is))| format!("{key} = {was}, not {is}"))
            .collect();
        if !differences.is_empty() {
            bail!(
                "the run to resume began with {}; leave that as it was, or begin another run, with --out in the place of --resume",
                differences.join(", and ")
            );
        }
        Ok(going_on)
    }

    /// The keys of a configuration that makes these settings, and their values in TOML.
    pub fn keys(&self) -> Vec<(&'static str, String)> {
        let text = |text: &str| toml::Value::from(text).to_string();
        let from = self.from.as_ref().map(|path| ("from", text(&path.to_string_lossy())));
        let Config { patch, width, depth, heads, time_scale, path, .. } = self.model;
        let rest = [
            ("patch", patch.to_string()),
            ("width", width.to_string()),
            ("depth", depth.to_string()),
            ("heads", heads.to_string()),
            ("time-scale", format!("{time_scale:?}")),
            ("steps", self.steps.to_string()),
            ("batch", self.batch.to_string()),
            ("lr", format!("{:?}", self.rate)),
            ("warmup", self.warmup.to_string()),
            ("schedule", text(&self.schedule.name())),
            ("ema", format!("{:?}", self.average_decay)),
            ("weight-decay", format!("{:?}", self.weight_decay)),
            ("label-dropout", format!("{:?}", self.label_dropout)),
            ("path", text(&path.to_string())),
            ("time-sampling", text(&self.times.to_string())),
            ("seed", self.seed.to_string()),
        ];
        from.into_iter().chain(rest).chain(self.data.keys()).collect()
    }

    /// The learning rate of a step, from 0 on: a linear rise, times what the schedule leaves.
    pub fn rate_at(&self, step: u32) -> f32 {
        let rise = (f64::from(step) + 1.0) / f64::from(self.warmup.max(1));
        let fall = self.schedule.factor(f64::from(step) / f64::from(self.steps));
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
        assert_eq!(settings.schedule, Schedule::Cosine);
    }
}
