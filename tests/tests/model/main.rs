//! The whole model: against PyTorch, against finite differences, and in training.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod determinism;
mod finite_differences;
mod golden;
mod guidance;
mod half;
mod interchange;
mod training;

use autograd::{Gradients, Tape};
use dit::{Dit, Input, Weights};
use tests::harness::{Bench, Values};

/// Noisy images, times and labels, and the velocity that the network should give.
struct Problem {
    x: Vec<f32>,
    t: Vec<f32>,
    y: Vec<u32>,
    target: Vec<f32>,
}

/// What the network makes of a problem.
struct Answer {
    velocity: Vec<f32>,
    loss: f32,
    /// For each parameter, in order.
    gradients: Vec<Vec<f32>>,
}

fn solve(bench: &mut Bench, weights: &Weights, problem: &Problem) -> Answer {
    let batch = problem.y.len();
    let stream = &mut bench.stream;
    let model = Dit::from_weights(stream, weights).unwrap();
    let [images, time, target] = [&problem.x, &problem.t, &problem.target].map(|values| stream.upload(values).unwrap());
    let labels = stream.upload(&problem.y).unwrap();
    let out = stream.allocate(1).unwrap();
    let mut gradients = Gradients::new(stream, model.parameters()).unwrap();
    let mut tape = Tape::training(stream, model.parameters(), &mut gradients);
    let input = Input { images: &images, source_batch: batch, time: &time, labels: &labels, batch };
    let velocity = model.forward(&mut tape, &input).unwrap();
    let loss = tape.mean_squared_error(&velocity, &target, &out).unwrap();
    tape.backward(&loss).unwrap();
    Answer {
        velocity: stream.read(velocity.value()).unwrap(),
        loss: stream.read(&out).unwrap()[0],
        gradients: model.parameters().read(stream, gradients.arena()).unwrap(),
    }
}

/// The velocities of the network at given points.
fn velocity(bench: &mut Bench, weights: &Weights, x: &[f32], t: &[f32], y: &[u32]) -> Vec<f32> {
    let stream = &mut bench.stream;
    let model = Dit::from_weights(stream, weights).unwrap();
    let [images, time] = [x, t].map(|values| stream.upload(values).unwrap());
    let labels = stream.upload(y).unwrap();
    let input = Input { images: &images, source_batch: y.len(), time: &time, labels: &labels, batch: y.len() };
    let velocity = model.forward(&mut Tape::inference(stream, model.parameters()), &input).unwrap();
    stream.read(velocity.value()).unwrap()
}

/// Random weights, none of them zero: as trained ones are, and initial ones are not.
fn random_weights(config: dit::Config, deviation: f32, seed: u64) -> Weights {
    let mut values = Values::new(seed);
    let parameters = config.parameters();
    let values =
        parameters.iter().map(|spec| values.normal(spec.len()).iter().map(|v| v * deviation).collect()).collect();
    Weights { config, values, positions: vec![0.5; config.tokens() * config.width] }
}

fn random_problem(config: &dit::Config, batch: usize, seed: u64) -> Problem {
    let mut values = Values::new(seed);
    Problem {
        x: values.normal(batch * config.image_size()),
        t: values.uniform(0.0, 1.0, batch),
        y: values.below(config.classes as u32 + 1, batch),
        target: values.normal(batch * config.image_size()),
    }
}
