//! Velocities, loss, and the gradient of every parameter.

use tests::harness::on_each_device;

use super::{Golden, WEIGHTS, weights};
use crate::{Problem, solve};

#[test]
fn velocities_loss_and_every_gradient_are_those_of_pytorch() {
    let (golden, weights) = (Golden::new(WEIGHTS), weights());
    let problem = Problem {
        x: golden.read("input/x"),
        t: golden.read("input/t"),
        y: golden.integers("input/y"),
        target: golden.read("target"),
    };
    on_each_device(|bench| {
        let answer = solve(bench, &weights, &problem);
        golden.expect("velocity", &bench.device, &answer.velocity);
        golden.expect("loss", &bench.device, &[answer.loss]);
        for (spec, gradient) in weights.config.parameters().iter().zip(&answer.gradients) {
            golden.expect(&format!("gradient/{}", spec.name), &bench.device, gradient);
        }
    });
}
