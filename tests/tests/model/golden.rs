//! Velocities, loss and the gradient of every parameter, as PyTorch has them (goldens/make.py).

use dit::Weights;
use safetensors::SafeTensors;
use tests::harness::on_each_device;

use crate::{Problem, solve};

const GOLDEN: &[u8] = include_bytes!("../../goldens/dit.safetensors");

/// PyTorch computed in f64; f32 through two blocks loses about this much of the largest element.
const RELATIVE_TO_LARGEST: f64 = 1e-4;

fn expect(what: &str, device: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{what} on {device}");
    let largest = want.iter().fold(0.0f64, |largest, w| largest.max(f64::from(*w).abs()));
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let error = (f64::from(*got) - f64::from(*want)).abs();
        assert!(
            error <= RELATIVE_TO_LARGEST * largest,
            "{what} on {device}: element {i} is {got}, PyTorch has {want}; the largest is {largest}"
        );
    }
}

#[test]
fn velocities_loss_and_every_gradient_are_those_of_pytorch() {
    let tensors = SafeTensors::deserialize(GOLDEN).unwrap();
    let read = |name: &str| -> Vec<f32> { bytemuck::pod_collect_to_vec(tensors.tensor(name).unwrap().data()) };
    let weights = Weights::from_bytes(GOLDEN, "the golden").unwrap();
    let problem = Problem {
        x: read("input/x"),
        t: read("input/t"),
        y: read("input/y").iter().map(|y| *y as u32).collect(),
        target: read("target"),
    };
    on_each_device(|bench| {
        let answer = solve(bench, &weights, &problem);
        let device = bench.device.as_str();
        expect("velocity", device, &answer.velocity, &read("velocity"));
        expect("loss", device, &[answer.loss], &read("loss"));
        for (spec, gradient) in weights.config.parameters().iter().zip(&answer.gradients) {
            expect(&spec.name, device, gradient, &read(&format!("gradient/{}", spec.name)));
        }
    });
}
