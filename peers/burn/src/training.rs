//! The training step.

use anyhow::{Result, ensure};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::prelude::*;
use burn::tensor::Distribution;
use measure::Work;
use measure::sizes::{BATCH, CLASSES, LABEL_DROPOUT, PARAMETERS, adamw};

use crate::model::Dit;

/// A model in training on one batch.
struct Training {
    model: Dit,
    optimizer: ModuleOptimizer,
    images: Tensor<4>,
    labels: Tensor<1, Int>,
    device: Device,
}

/// Takes so many training steps, and waits for each, as a trainer that looks at its loss does.
///
/// # Errors
/// When the model has other parameters than ours, or does not learn.
pub fn work(device: &Device) -> Result<Work> {
    let mut training = Training::new(&device.clone().autodiff())?;
    let before = training.loss()?;
    for _ in 0..3 {
        training.step()?;
    }
    let after = training.loss()?;
    ensure!(after < before, "burn does not learn: its loss went from {before} to {after}");
    Ok(Box::new(move |steps| (0..steps).try_for_each(|_| training.step())))
}

impl Training {
    fn new(device: &Device) -> Result<Self> {
        let model = Dit::new(device);
        ensure!(model.num_params() == PARAMETERS, "{} parameters, not {PARAMETERS}", model.num_params());
        let optimizer = AdamWConfig::new()
            .with_beta_1(adamw::BETA_1)
            .with_beta_2(adamw::BETA_2)
            .with_epsilon(adamw::EPSILON)
            .with_weight_decay(adamw::WEIGHT_DECAY)
            .init();
        let images = Tensor::random([BATCH, 1, 28, 28], Distribution::Uniform(-1.0, 1.0), device);
        let labels = Tensor::arange(0..BATCH as i64, device).remainder_scalar(CLASSES as i64);
        Ok(Self { model, optimizer, images, labels, device: device.clone() })
    }

    /// The error of the velocity along the way from noise to data, at random times.
    fn error(&self) -> Tensor<1> {
        let noise = self.images.random_like(Distribution::Normal(0.0, 1.0));
        let times = Tensor::<1>::random([BATCH], Distribution::Uniform(0.0, 1.0), &self.device);
        let dropped = Tensor::<1>::random([BATCH], Distribution::Uniform(0.0, 1.0), &self.device);
        let labels = self.labels.clone().mask_fill(dropped.lower_scalar(LABEL_DROPOUT), CLASSES as i64);
        let share = times.clone().reshape([BATCH, 1, 1, 1]);
        let point = (share.clone().neg() + 1.0) * noise.clone() + share * self.images.clone();
        let error = self.model.forward(point, times, labels) - (self.images.clone() - noise);
        (error.clone() * error).mean()
    }

    fn step(&mut self) -> Result<()> {
        let gradients = GradientsParams::from_grads(self.error().backward(), &self.model);
        self.model = self.optimizer.step(adamw::RATE, self.model.clone(), gradients);
        Ok(self.device.sync()?)
    }

    /// The error at the same noise and times whenever it is asked for.
    fn loss(&self) -> Result<f32> {
        self.device.seed(0);
        Ok(self.error().try_into_data()?.try_to_vec::<f32>()?[0])
    }
}
