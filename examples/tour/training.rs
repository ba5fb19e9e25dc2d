//! A training step one kernel at a time, in the order of `flow::Training::step`.

use anyhow::ensure;
use autograd::{AdamWOptions, Gradients, Optimizer, Tape};
use datasets::Dataset;
use dit::{Dit, Input, Weights};
use flow::{Images, TrainOptions, Training};
use kernels::{FlowPoint, GatherBatch, GaussianNoise, LabelDropout, MseBackward, UniformTime};
use runtime::Stream;

use crate::walk::Matrix;

const BATCH: usize = 64;
const SEED: u64 = 5;
const RATE: f32 = 1e-3;

/// What a step makes on its way. Images are (B, C · S · S).
pub struct Step {
    pub data: Matrix,
    pub labels: Vec<u32>,
    pub time: Vec<f32>,
    pub noise: Matrix,
    pub point: Matrix,
    pub velocity: Matrix,
    pub prediction: Matrix,
    /// The gradient of the loss at the prediction.
    pub gradient: Matrix,
    /// The parameter `x_embedder.proj.weight`, (D, p · p · C): before the step, its gradient, what the step
    /// adds to it, and what it adds to the average.
    pub filters: [Matrix; 4],
    pub loss: f32,
    pub norm: f32,
}

/// The first step of training on from these weights.
pub fn step(stream: &mut Stream, weights: &Weights, dataset: &Dataset) -> anyhow::Result<Step> {
    let model = Dit::from_weights(stream, weights)?;
    let config = *model.config();
    let (batch, size, step) = (BATCH, config.image_size(), 0);
    let (images, labels_of_images) = (stream.upload(dataset.images())?, stream.upload(dataset.labels())?);
    let [data, noise, point, velocity, gradient] = [(); 5].map(|()| stream.allocate(batch * size));
    let (data, noise, point, velocity, gradient) = (data?, noise?, point?, velocity?, gradient?);
    let (labels, time, loss, one) =
        (stream.allocate(batch)?, stream.allocate(batch)?, stream.allocate(1)?, stream.upload(&[1.0f32])?);
    GatherBatch {
        images: &images,
        labels: &labels_of_images,
        out_images: &data,
        out_labels: &labels,
        seed: SEED,
        position: 0,
        count: dataset.count(),
        size,
        batch,
    }
    .launch(stream)?;
    LabelDropout { labels: &labels, seed: SEED, step, probability: 0.1, null_class: config.classes as u32 }
        .launch(stream)?;
    GaussianNoise { out: &noise, seed: SEED, step, first_item: 0, items: batch, size }.launch(stream)?;
    UniformTime { out: &time, seed: SEED, step }.launch(stream)?;
    FlowPoint {
        data: &data,
        noise: &noise,
        time: &time,
        out_point: &point,
        out_velocity: &velocity,
        path: config.path,
        batch,
        size,
    }
    .launch(stream)?;

    let mut gradients = Gradients::new(stream, model.parameters())?;
    let mut tape = Tape::training(stream, model.parameters(), &mut gradients);
    let input = Input { images: &point, source_batch: batch, time: &time, labels: &labels, batch };
    let prediction = model.forward(&mut tape, &input)?;
    let error = tape.mean_squared_error(&prediction, &velocity, &loss)?;
    tape.backward(&error)?;
    // The tape keeps gradients of what lies between to itself: the first of them once more.
    let (target, upstream, prediction) = (&velocity, &one, prediction.value());
    MseBackward { prediction, target, upstream, out: &gradient, batch, size }.launch(stream)?;

    let before = model.parameters().read(stream, model.parameters().arena())?;
    let mut optimizer = Optimizer::new(stream, model.parameters(), AdamWOptions::default())?;
    let clip = stream.allocate(2)?;
    optimizer.step(stream, model.parameters(), &gradients, RATE, &clip)?;
    let after = model.parameters().read(stream, model.parameters().arena())?;
    check_against_training(stream, weights, dataset, &after)?;

    let of_gradients = model.parameters().read(stream, gradients.arena())?;
    let average = model.parameters().read(stream, &optimizer.average)?;
    let name = "x_embedder.proj.weight";
    let filters = model.parameters().specs().iter().position(|spec| spec.name == name);
    let filters = filters.ok_or_else(|| anyhow::anyhow!("the model has no {name}"))?;
    let change = |new: &[Vec<f32>]| new[filters].iter().zip(&before[filters]).map(|(new, old)| new - old).collect();
    let parameter = |values: Vec<f32>| Matrix::new(config.patch_size(), values);
    let mut image = |buffer| anyhow::Ok(Matrix::new(size, stream.read(buffer)?));
    Ok(Step {
        data: image(&data)?,
        noise: image(&noise)?,
        point: image(&point)?,
        velocity: image(&velocity)?,
        prediction: image(prediction)?,
        gradient: image(&gradient)?,
        filters: [before[filters].clone(), of_gradients[filters].clone(), change(&after), change(&average)]
            .map(parameter),
        labels: stream.read(&labels)?,
        time: stream.read(&time)?,
        loss: stream.read(&loss)?[0],
        norm: stream.read(&clip)?[0],
    })
}

/// Refuses parameters that the trainer's own step would not have left.
fn check_against_training(
    stream: &mut Stream,
    weights: &Weights,
    dataset: &Dataset,
    after: &[Vec<f32>],
) -> anyhow::Result<()> {
    let model = Dit::from_weights(stream, weights)?;
    let images = Images::upload(stream, dataset.images(), dataset.labels())?;
    let options = TrainOptions { batch: BATCH, seed: SEED, ..TrainOptions::default() };
    let mut training = Training::new(stream, model, images, options)?;
    training.step(stream, RATE)?;
    let weights = training.model.weights(stream)?;
    ensure!(weights.values == after, "the tour's training step has left flow::Training's");
    Ok(())
}
