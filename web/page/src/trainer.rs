//! Training from noise.

use std::f64::consts::PI;

use dit::{Config, Dit, FlowPath, Variant};
use flow::{AdamWOptions, Images, TimeSampling, TrainOptions, Training};
use js_sys::Function;
use runtime::Stream;
use wasm_bindgen::prelude::*;

use crate::{device_of, draw, open_stream};

/// Images a step.
const BATCH: usize = 64;

/// The highest learning rate.
const RATE: f64 = 4e-3;

/// A model in training on a device, by a schedule.
#[wasm_bindgen]
pub struct Trainer {
    stream: Stream,
    training: Training,
    warmup: u32,
    steps: u32,
}

#[wasm_bindgen]
impl Trainer {
    /// Puts images, (N, S, S) bytes, and their N labels on a device (see [`crate::Sampler::open`]), with a new model: the
    /// trainer's preset `small` or `tiny`, with its defaults, so that `steps` on MNIST have the losses of `trainer --steps`.
    ///
    /// # Errors
    /// Where the browser has no GPU for us, or the images do not fit together.
    pub async fn open(
        device: String,
        images: Vec<u8>,
        labels: Vec<u8>,
        small: bool,
        steps: u32,
        seed: u32,
    ) -> Result<Trainer, JsError> {
        let side = (images.len() / labels.len().max(1)).isqrt();
        if labels.len() < BATCH || side == 0 || labels.len() * side * side != images.len() {
            return Err(JsError::new(&format!(
                "{} bytes of images and {} labels: there must be {BATCH} square grey images or more, a label for each",
                images.len(),
                labels.len(),
            )));
        }
        let (width, depth, heads) = if small { (128, 4, 4) } else { (64, 3, 2) };
        let config = Config {
            side,
            channels: 1,
            patch: (4..side).find(|patch| side.is_multiple_of(*patch)).unwrap_or(side),
            width,
            depth,
            heads,
            classes: labels.iter().map(|label| usize::from(*label) + 1).max().unwrap_or(1).max(2),
            time_scale: 1000.0,
            path: FlowPath::CondOt,
            variant: Variant::DIT,
        };
        config.validate()?;
        let mut stream = open_stream(&device).await?;
        let images = Images::upload(&mut stream, &images, &labels)?;
        let model = Dit::new(&mut stream, config, seed.into())?;
        let (average_decay, warmup) = if small { (0.999, 200) } else { (0.995, 100) };
        let options = TrainOptions {
            batch: BATCH,
            seed: seed.into(),
            times: TimeSampling::LogitNormal { mean: 0.0, deviation: 1.5 },
            adamw: AdamWOptions { average_decay, ..AdamWOptions::default() },
            ..TrainOptions::default()
        };
        let training = Training::new(&mut stream, model, images, options)?;
        Ok(Self { stream, training, warmup: warmup.min(steps / 4), steps })
    }

    /// What it trains on, in words.
    pub fn device(&self) -> String {
        device_of(&self.stream)
    }

    /// The pixels of a side.
    pub fn side(&self) -> usize {
        self.training.model.config().side
    }

    /// Takes so many steps, 64 at most, and gives the loss of each.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn train(&mut self, count: u32) -> Result<Vec<f32>, JsError> {
        for _ in 0..count.min(64) {
            let rate = self.rate_of(self.training.optimizer.steps);
            self.training.step(&mut self.stream, rate)?;
        }
        let records = self.training.read_log_async(&mut self.stream).await?;
        Ok(records.iter().map(|record| record.loss).collect())
    }

    /// The learning rate of a step, from 0 on, by the trainer's default schedule: a linear rise, times half a cosine.
    fn rate_of(&self, step: u32) -> f32 {
        let rise = (f64::from(step) + 1.0) / f64::from(self.warmup.max(1));
        let fall = 0.5 + 0.5 * (PI * f64::from(step) / f64::from(self.steps)).cos();
        (RATE * rise.min(1.0) * fall.max(0.0)) as f32
    }

    /// Draws with the average of the parameters; see [`crate::Sampler::draw`].
    ///
    /// # Errors
    /// As there.
    pub async fn draw(
        &mut self,
        labels: Vec<u32>,
        guidance: f32,
        steps: u32,
        seed: u32,
        on_frame: Function,
    ) -> Result<(), JsError> {
        let model = self.training.averaged_model();
        draw::draw(&mut self.stream, &model, &labels, guidance, steps, seed, &on_frame).await
    }

    /// The average of the parameters as a safetensors file.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn weights(&mut self) -> Result<Vec<u8>, JsError> {
        Ok(self.training.averaged_model().weights_async(&mut self.stream).await?.to_bytes()?)
    }
}
