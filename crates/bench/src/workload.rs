//! What is measured: models of random weights, trained on random images.

use std::time::Instant;

use anyhow::Result;
use autograd::Tape;
use dit::{Config, Dit, Input};
use flow::{AdamWOptions, Images, SampleOptions, TimeSampling, TrainOptions, Training};
use runtime::{Profile, Stream};

/// The learning rate; too small for the weights to go anywhere, so that each step does the same.
const RATE: f32 = 1e-6;
/// Steps that do not count: pipelines are made, memory is found.
const WARM_UP: usize = 2;

/// The peak of a step's own memory is its batch's; a data set of a few more images weighs little.
const IMAGES: usize = 1024;

/// A model in training, as the trainer has it.
pub fn training(stream: &mut Stream, config: Config, batch: usize) -> Result<Training> {
    config.validate()?;
    let count = batch.max(IMAGES);
    // Values and labels that are anything; a multiplicative hash is enough.
    let bytes = |len: usize| (0..len).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as u8);
    let labels: Vec<u8> = bytes(count).map(|byte| byte % config.classes.min(255) as u8).collect();
    let pixels: Vec<u8> = bytes(count * config.image_size()).collect();
    let images = Images::upload(stream, &pixels, &labels)?;
    let model = Dit::new(stream, config, 0)?;
    let (times, adamw) = (TimeSampling::Uniform, AdamWOptions::default());
    let options = TrainOptions { batch, seed: 0, label_dropout: 0.1, times, adamw };
    Ok(Training::new(stream, model, images, options)?)
}

/// Seconds of a step: all of it, and what the host was busy with to launch it.
#[derive(Clone, Copy, Debug)]
pub struct StepTime {
    /// From the first launch until the device is done.
    pub whole: f64,
    /// Until everything is submitted. On the CPU that is the step itself.
    pub launching: f64,
}

/// One step, waited for.
pub fn step(stream: &mut Stream, training: &mut Training) -> Result<StepTime> {
    if training.log_is_full() {
        training.read_log(stream)?;
    }
    stream.synchronize()?;
    let start = Instant::now();
    training.step(stream, RATE)?;
    let launching = start.elapsed().as_secs_f64();
    stream.synchronize()?;
    Ok(StepTime { whole: start.elapsed().as_secs_f64(), launching })
}

/// Steps that do not count, then `runs` that do.
pub fn steps(stream: &mut Stream, training: &mut Training, runs: usize) -> Result<Vec<StepTime>> {
    for _ in 0..WARM_UP {
        step(stream, training)?;
    }
    (0..runs).map(|_| step(stream, training)).collect()
}

/// A velocity of a batch, waited for; seconds of each run.
pub fn velocities(stream: &mut Stream, model: &Dit, batch: usize, runs: usize) -> Result<Vec<f64>> {
    let config = model.config();
    let images = stream.upload(&vec![0.5_f32; batch * config.image_size()])?;
    let (time, labels) = (stream.upload(&vec![0.5_f32; batch])?, stream.upload(&vec![0_u32; batch])?);
    let input = Input { images: &images, source_batch: batch, time: &time, labels: &labels, batch };
    let mut once = || -> Result<f64> {
        let start = Instant::now();
        model.forward(&mut Tape::inference(stream, model.parameters()), &input)?;
        stream.synchronize()?;
        Ok(start.elapsed().as_secs_f64())
    };
    once()?;
    (0..runs).map(|_| once()).collect()
}

/// What ran in `runs` training steps of a model, and in twice as many steps of sampling with it.
pub fn profiled(stream: &mut Stream, config: Config, batch: usize, runs: usize) -> Result<Profile> {
    let mut training = training(stream, config, batch)?;
    let (mut profile, _) = profiled_steps(stream, &mut training, runs)?;
    let sampling = profiled_sampling(stream, &training.model, batch, 2 * runs)?;
    profile.kernels.extend(sampling.kernels);
    Ok(profile)
}

/// What ran in `runs` steps, and seconds of each of them.
pub fn profiled_steps(stream: &mut Stream, training: &mut Training, runs: usize) -> Result<(Profile, Vec<f64>)> {
    steps(stream, training, 0)?;
    stream.start_profile(usize::MAX)?;
    let times = (0..runs).map(|_| Ok(step(stream, training)?.whole)).collect::<Result<_>>()?;
    Ok((stream.finish_profile()?, times))
}

/// What ran in sampling a batch for `steps` steps, half of them guided, so that both ways are there.
fn profiled_sampling(stream: &mut Stream, model: &Dit, batch: usize, steps: usize) -> Result<Profile> {
    let labels: Vec<u32> = (0..batch).map(|i| (i % model.config().classes) as u32).collect();
    let options = SampleOptions { steps, guidance: 3.0, guided: 0.5..2.0, batch, ..SampleOptions::default() };
    flow::sample(stream, model, &labels, &options, |_| {})?;
    stream.start_profile(usize::MAX)?;
    flow::sample(stream, model, &labels, &options, |_| {})?;
    Ok(stream.finish_profile()?)
}
