//! The gradient of every parameter tensor against differences of the loss, of the sixth order.

use autograd::Tape;
use dit::{Config, Dit, FlowPath, Input, Variant, Weights};
use tests::harness::{Bench, Values, on_each_device};

use crate::{Problem, random_problem, random_weights, solve};

/// The length of a step along a direction of unit length, for a weight that takes one input. One that takes
/// more changes its output by up to their root times as much, and is moved by as much less.
const STEP: f32 = 1.0 / 24.0;
/// The weights of the points one, two and three steps away on either side.
const STENCIL: [f64; 3] = [3.0 / 4.0, -3.0 / 20.0, 1.0 / 60.0];
/// As a part of the derivative that a random direction has on average, and of the derivative itself.
/// Along random directions of a large tensor the loss changes so little that roundings of f32 show, though
/// the steps are as large as the difference allows; along the gradient it changes as much as it can.
const TOLERANCES: [f64; 3] = [2e-3, 2e-3, 2e-4];

/// The loss, from f32 velocities but without roundings of its own.
fn loss(bench: &mut Bench, weights: &Weights, problem: &Problem) -> f64 {
    let batch = problem.y.len();
    let model = Dit::from_weights(&mut bench.stream, weights).unwrap();
    let (images, time, labels) = (bench.upload(&problem.x), bench.upload(&problem.t), bench.upload(&problem.y));
    let input = Input { images: &images, source_batch: batch, time: &time, labels: &labels, batch };
    let velocity = model.forward(&mut Tape::inference(&mut bench.stream, model.parameters()), &input).unwrap();
    let velocity: Vec<f32> = bench.read(velocity.value());
    let square = |(v, target): (&f32, &f32)| (f64::from(*v) - f64::from(*target)).powi(2);
    velocity.iter().zip(&problem.target).map(square).sum::<f64>() / velocity.len() as f64
}

fn length(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt()
}

/// Directions of unit length: two at random, and that of the gradient, in which a wrong scale shows most.
fn directions(gradient: &[f32], values: &mut Values) -> [Vec<f32>; 3] {
    [values.normal(gradient.len()), values.normal(gradient.len()), gradient.to_vec()].map(|direction| {
        let length = length(&direction);
        direction.iter().map(|d| (f64::from(*d) / length) as f32).collect()
    })
}

#[test]
fn the_whole_models_gradients_are_those_of_finite_differences() {
    let config = Config {
        side: 4,
        channels: 3,
        patch: 2,
        width: 16,
        depth: 2,
        heads: 2,
        classes: 4,
        time_scale: 10.0,
        path: FlowPath::CondOt,
        variant: Variant::DIT,
    };
    config.validate().unwrap();
    let weights = random_weights(config, 0.3, 11);
    let problem = random_problem(&config, 3, 12);
    on_each_device(|bench| {
        let gradients = solve(bench, &weights, &problem).gradients;
        let mut values = Values::new(13);
        for (index, (spec, gradient)) in config.parameters().iter().zip(&gradients).enumerate() {
            let inputs: usize = spec.shape[1..].iter().product();
            let step = STEP / (inputs as f32).sqrt();
            for (direction, tolerance) in directions(gradient, &mut values).iter().zip(TOLERANCES) {
                let mut loss_at = |steps: i8| {
                    let mut moved = weights.clone();
                    for (value, direction) in moved.values[index].iter_mut().zip(direction) {
                        *value += f32::from(steps) * step * direction;
                    }
                    loss(bench, &moved, &problem)
                };
                let sum: f64 =
                    STENCIL.iter().zip(1..).map(|(weight, steps)| weight * (loss_at(steps) - loss_at(-steps))).sum();
                let numeric = sum / f64::from(step);
                let product = |(gradient, direction): (&f32, &f32)| f64::from(*gradient) * f64::from(*direction);
                let analytic: f64 = gradient.iter().zip(direction).map(product).sum();
                let scale = length(gradient) / (gradient.len() as f64).sqrt() + numeric.abs();
                let error = (numeric - analytic).abs() / scale;
                assert!(
                    error <= tolerance,
                    "{} on {}: the derivative along a direction is {analytic:e}, differences say {numeric:e}; that is \
                     {error:.1e} of what it is at random",
                    spec.name,
                    bench.device
                );
            }
        }
    });
}
