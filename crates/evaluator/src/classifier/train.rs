//! How the classifier is trained.

use anyhow::Result;
use autograd::{AdamWOptions, Gradients, Optimizer, Tape};
use datasets::Dataset;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use runtime::Stream;

use super::model::signed;
use super::{Classifier, Config, Weights};

/// What a training run depends on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainOptions {
    /// Passes over the images.
    pub epochs: usize,
    /// The seed of initial values, order and shifts.
    pub seed: u64,
}

/// Images a step.
const BATCH: usize = 128;
/// The learning rate at its highest.
const RATE: f32 = 3e-3;
/// The part of all steps in which the rate rises.
const WARMUP: f32 = 0.05;
/// Images are shifted by up to so many pixels, each way.
const SHIFT: i32 = 2;

/// Trains a classifier on images of 28×28, with random shifts, by AdamW with a warm-up and a cosine to zero; gives
/// the moving average of its parameters. `progress` hears the number of each epoch and the mean loss of its steps.
///
/// # Errors
/// What the device reports.
pub fn train(
    stream: &mut Stream,
    data: &Dataset,
    options: TrainOptions,
    mut progress: impl FnMut(usize, f32),
) -> Result<Weights> {
    let config = Config::MNIST;
    let classifier = Classifier::new(stream, config, &config.initial_values(options.seed))?;
    let adamw = AdamWOptions { weight_decay: 0.02, average_decay: 0.998, ..AdamWOptions::default() };
    let mut optimizer = Optimizer::new(stream, classifier.parameters(), adamw)?;
    let mut gradients = Gradients::new(stream, classifier.parameters())?;
    let (loss, clip) = (stream.allocate(1)?, stream.allocate(2)?);
    let mut random = ChaCha8Rng::seed_from_u64(options.seed);
    let mut order: Vec<usize> = (0..data.count()).collect();
    let steps = options.epochs * data.count().div_ceil(BATCH);
    let mut step = 0;
    for epoch in 1..=options.epochs {
        order.shuffle(&mut random);
        let mut losses = Vec::new();
        for chosen in order.chunks(BATCH) {
            let mut images = Vec::with_capacity(chosen.len() * config.image_size());
            chosen.iter().for_each(|index| shifted(data, *index, &mut random, &mut images));
            let labels: Vec<u32> = chosen.iter().map(|index| u32::from(data.labels()[*index])).collect();
            let (images, labels) = (stream.upload(&images)?, stream.upload(&labels)?);
            let mut tape = Tape::training(stream, classifier.parameters(), &mut gradients);
            let (_, logits) = classifier.forward(&mut tape, &images, chosen.len())?;
            let error = tape.cross_entropy(&logits, &labels, &loss)?;
            tape.backward(&error)?;
            optimizer.step(stream, classifier.parameters(), &gradients, rate(step, steps), &clip)?;
            step += 1;
            losses.push(stream.read::<f32>(&loss)?[0]);
        }
        progress(epoch, losses.iter().sum::<f32>() / losses.len() as f32);
    }
    let values = classifier.parameters().read(stream, &optimizer.average)?;
    Ok(Weights { config, values })
}

/// A linear rise, then a cosine to zero.
fn rate(step: usize, steps: usize) -> f32 {
    let part = (step as f32 + 0.5) / steps as f32;
    if part < WARMUP {
        return RATE * part / WARMUP;
    }
    RATE * 0.5 * (1.0 + (std::f32::consts::PI * (part - WARMUP) / (1.0 - WARMUP)).cos())
}

/// Appends an image in [−1, 1], shifted at random, with black where it was not.
fn shifted(data: &Dataset, index: usize, random: &mut ChaCha8Rng, out: &mut Vec<f32>) {
    let side = data.side() as i32;
    let image = &data.images()[index * data.side().pow(2)..][..data.side().pow(2)];
    let [down, right] = [(); 2].map(|()| random.random_range(-SHIFT..=SHIFT));
    for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y - down, x - right))) {
        let inside = (0..side).contains(&y) && (0..side).contains(&x);
        out.push(if inside { signed(image[(y * side + x) as usize]) } else { -1.0 });
    }
}
