//! What makes a run the run it is: stored in its checkpoint. Resuming changes the number of steps at most.

use std::path::PathBuf;

use anyhow::{bail, ensure};
use datasets::Splits;
use dit::{Config, Weights};
use flow::{AdamWOptions, TimeSampling, TrainOptions};
use programs::{Preset, counted};
use serde::{Deserialize, Serialize};

use crate::arguments::Arguments;
use crate::data::Source;
use crate::schedule::Schedule;

/// The most that warm-up takes of a run unless told otherwise: of a short run there would be nothing left to learn in.
const MOST_WARM_UP: f64 = 0.25;
/// What warm-up takes of a run from where on it is said.
const LONG_WARM_UP: f64 = 0.5;

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
    /// The decay of the weights. Older checkpoints have neither this nor what of the rest has a default, which is what
    /// they were trained with.
    #[serde(default)]
    pub weight_decay: f32,
    /// The share of labels dropped.
    #[serde(default = "older_label_dropout")]
    pub label_dropout: f32,
    /// How times are drawn.
    #[serde(default)]
    pub times: TimeSampling,
    /// Whether products are rounded to 16 bits; none in older checkpoints, which do not say.
    #[serde(default)]
    pub half: Option<bool>,
    /// The seed of everything random.
    pub seed: u64,
    /// Steps of the whole run, which the learning rate's schedule spans.
    pub steps: u32,
}

impl Settings {
    /// The settings of a new run.
    pub fn new(arguments: &Arguments, splits: &Splits, large_gpu: bool) -> anyhow::Result<Self> {
        let preset = arguments.preset.unwrap_or(Preset::for_device(large_gpu));
        let defaults = preset.defaults();
        let train = &splits.train;
        let batch = arguments.training.batch.unwrap_or(defaults.batch.min(train.count()));
        let beginning = arguments.training.from.as_ref().map(Weights::load).transpose()?;
        let sizes = preset.config(train.side(), train.channels(), train.classes());
        if beginning.is_none() && arguments.model.patch.is_none() {
            expect_patches(preset, sizes.side)?;
        }
        let settings = Self {
            model: beginning.as_ref().map_or(sizes, |weights| weights.config),
            from: None,
            data: Source::new(&arguments.data, train)?,
            batch,
            rate: defaults.rate,
            warmup: defaults.warmup,
            schedule: Schedule::default(),
            average_decay: defaults.average_decay,
            weight_decay: AdamWOptions::default().weight_decay,
            label_dropout: TrainOptions::default().label_dropout,
            times: defaults.times,
            half: None,
            seed: 0,
            steps: steps_of(defaults.epochs, batch, train.count())?,
        };
        let mut settings = settings.with(arguments, train.count())?;
        if arguments.training.warmup.is_none() {
            settings.warmup = settings.warmup.min((MOST_WARM_UP * f64::from(settings.steps)) as u32);
        }
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
        let path = arguments.training.path.unwrap_or(self.model.path);
        let model = Config { path, ..arguments.model.over(model) };
        model.validate()?;
        let batch = arguments.training.batch.unwrap_or(self.batch);
        if batch > images {
            bail!("--batch {batch} exceeds the {}; choose a smaller one", counted(images, "training image"));
        }
        let from = arguments.training.from.as_ref().map(std::path::absolute).transpose()?;
        Ok(Self {
            model,
            from: from.or_else(|| self.from.clone()),
            data: self.data.moved(&arguments.data)?,
            batch,
            rate: arguments.training.lr.unwrap_or(self.rate),
            warmup: arguments.training.warmup.unwrap_or(self.warmup),
            schedule: arguments.training.schedule.unwrap_or(self.schedule),
            average_decay: arguments.training.ema.unwrap_or(self.average_decay),
            weight_decay: arguments.training.weight_decay.unwrap_or(self.weight_decay),
            label_dropout: arguments.training.label_dropout.unwrap_or(self.label_dropout),
            times: arguments.training.time_sampling.unwrap_or(self.times),
            half: Some(arguments.device.half()),
            seed: arguments.training.seed.unwrap_or(self.seed),
            steps: total_steps(arguments, batch, images)?.unwrap_or(self.steps),
        })
    }

    /// These settings for a run that goes on, with the total that `--steps` or `--epochs` ask for, the place where its
    /// images are now, and the precision asked for. Whatever else the arguments ask for must be so already.
    pub fn resumed(&self, arguments: &Arguments, images: usize) -> anyhow::Result<Self> {
        let asked = self.with(arguments, images)?;
        let going_on = Self { data: asked.data.clone(), steps: asked.steps, half: asked.half, ..self.clone() };
        let differences = differences(&going_on.keys(), &asked.keys());
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
        let precision = self.half.map(|half| ("precision", text(precision(half))));
        from.into_iter().chain(rest).chain(self.data.keys()).chain(precision).collect()
    }

    /// What to tell the user of a new run with these settings, if anything.
    pub fn note(&self) -> Option<String> {
        let (warmup, steps) = (self.warmup, self.steps);
        // One step of warm-up is none.
        let long = warmup > 1 && f64::from(warmup) >= LONG_WARM_UP * f64::from(steps);
        long.then(|| format!("warm-up is {warmup} steps long, and the whole run {steps}; lower --warmup to learn more"))
    }

    /// What to tell the user where a run that had these settings goes on with others, if anything.
    pub fn note_of_change(&self, now: &Self) -> Option<String> {
        match (self.half, now.half) {
            (Some(was), Some(is)) if was != is => {
                Some(format!("the run began with --precision {} and goes on with {}", precision(was), precision(is)))
            }
            _ => None,
        }
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

/// A value of `--precision`.
fn precision(half: bool) -> &'static str {
    if half { "half" } else { "single" }
}

/// The share of labels dropped when a checkpoint did not say it.
fn older_label_dropout() -> f32 {
    0.1
}

/// Refuses images that no patch of a preset divides, unless all of an image were one: such a model learns next to nothing.
fn expect_patches(preset: Preset, side: usize) -> anyhow::Result<()> {
    let patch = preset.patch();
    let below = (side / patch * patch).max(patch);
    ensure!(
        preset.divides(side),
        "no patch of {patch} pixels a side or more divides images of {side}×{side}; make them {below} or {} pixels a side \
         with --image-size, or choose a --patch that divides {side}",
        below + patch
    );
    Ok(())
}

/// What differs between keys and their values, in words. Not all keys need be there in both.
fn differences(before: &[(&str, String)], after: &[(&str, String)]) -> Vec<String> {
    fn value<'a>(keys: &'a [(&str, String)], key: &str) -> &'a str {
        keys.iter().find(|(other, _)| *other == key).map_or("nothing", |(_, value)| value)
    }
    let added = after.iter().filter(|(key, _)| before.iter().all(|(other, _)| other != key));
    let keys = before.iter().chain(added).map(|(key, _)| (key, value(before, key), value(after, key)));
    keys.filter(|(_, was, is)| was != is).map(|(key, was, is)| format!("{key} = {was}, not {is}")).collect()
}

/// The total that `--steps` or `--epochs` ask for, if either is given.
fn total_steps(arguments: &Arguments, batch: usize, images: usize) -> anyhow::Result<Option<u32>> {
    match (arguments.training.steps, arguments.training.epochs) {
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

    /// What a checkpoint said before more settings could be chosen.
    fn older() -> Settings {
        let text = r#"{"model":{"side":28,"channels":1,"patch":4,"width":64,"depth":3,"heads":2,"classes":10,
            "time_scale":1000.0},"data":DATA,"batch":64,"rate":0.002,"warmup":100,"average_decay":0.995,"seed":3,"steps":9}"#;
        let source = r#"{"directory":null,"sha256":"00"}"#;
        serde_json::from_str(&text.replace("DATA", source)).unwrap()
    }

    /// A checkpoint from before these settings could be chosen goes on as it began.
    #[test]
    fn older_checkpoints_resume_with_what_they_were_trained_with() {
        let settings = older();
        let options = settings.train_options();
        assert_eq!((options.label_dropout, options.times), (0.1, TimeSampling::Uniform));
        assert_eq!(options.adamw.weight_decay, 0.0);
        assert!(settings.model.path.is_cond_ot());
        assert_eq!(settings.schedule, Schedule::Cosine);
        assert_eq!(settings.half, None);
    }

    #[test]
    fn another_precision_is_noted_where_the_first_is_known() {
        let [unknown, single, half] = [None, Some(false), Some(true)].map(|half| Settings { half, ..older() });
        assert_eq!(unknown.note_of_change(&half), None);
        assert_eq!(half.note_of_change(&half), None);
        let note = half.note_of_change(&single).unwrap();
        assert_eq!(note, "the run began with --precision half and goes on with single");
        assert!(half.keys().contains(&("precision", "\"half\"".into())));
        assert!(unknown.keys().iter().all(|(key, _)| *key != "precision"));
    }

    #[test]
    fn settings_are_compared_by_their_names() {
        let keys = |keys: &[(&'static str, &str)]| -> Vec<(&'static str, String)> {
            keys.iter().map(|(key, value)| (*key, (*value).to_owned())).collect()
        };
        let (one, other) = (keys(&[("patch", "4"), ("width", "64")]), keys(&[("from", "'w'"), ("patch", "4")]));
        assert_eq!(differences(&one, &other), ["width = 64, not nothing", "from = nothing, not 'w'"]);
        assert!(differences(&one, &one).is_empty());
    }

    #[test]
    fn images_of_one_patch_are_refused_with_sizes_that_work() {
        let refused = |preset: Preset, side: usize| expect_patches(preset, side).err().map(|error| error.to_string());
        for side in [4, 8, 20, 28, 35] {
            assert_eq!(refused(Preset::Small, side), None, "{side}");
        }
        assert_eq!(refused(Preset::Base, 2), None);
        for (side, said) in [(41, "make them 40 or 44 pixels"), (6, "make them 4 or 8"), (3, "make them 4 or 8")] {
            let refusal = refused(Preset::Small, side).unwrap();
            assert!(refusal.contains(said), "{refusal}");
        }
    }
}
