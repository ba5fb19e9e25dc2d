//! The gradient of every parameter tensor against central differences of the loss.

use dit::Config;
use tests::harness::{Values, on_each_device};

use crate::{random_problem, random_weights, solve};

/// The step along a direction of unit length: at this size the loss, near 2, moves by far more than
/// its f32 rounding, 2e-7, and the third derivative's share stays below the tolerance.
const STEP: f32 = 1e-2;
/// Rounding of the two losses, 2 · 2e-7 / (2 · STEP), with leeway.
const ABSOLUTE: f64 = 1e-4;
/// The truncation of the central difference.
const RELATIVE: f64 = 1e-2;

#[test]
fn the_whole_models_gradients_are_those_of_finite_differences() {
    let config = Config { side: 6, channels: 3, patch: 2, width: 16, depth: 2, heads: 2, classes: 4, time_scale: 10.0 };
    config.validate().unwrap();
    let weights = random_weights(config, 0.3, 11);
    let problem = random_problem(&config, 3, 12);
    on_each_device(|bench| {
        let gradients = solve(bench, &weights, &problem).gradients;
        let mut values = Values::new(13);
        for (index, spec) in config.parameters().iter().enumerate() {
            let direction = values.normal(spec.len());
            let length = direction.iter().map(|d| d * d).sum::<f32>().sqrt();
            let mut loss_at = |step: f32| {
                let mut moved = weights.clone();
                for (value, direction) in moved.values[index].iter_mut().zip(&direction) {
                    *value += step * direction / length;
                }
                f64::from(solve(bench, &moved, &problem).loss)
            };
            let numeric = (loss_at(STEP) - loss_at(-STEP)) / f64::from(2.0 * STEP);
            let product = |(gradient, direction): (&f32, &f32)| f64::from(*gradient) * f64::from(*direction / length);
            let analytic: f64 = gradients[index].iter().zip(&direction).map(product).sum();
            assert!(
                (numeric - analytic).abs() <= ABSOLUTE + RELATIVE * analytic.abs(),
                "{} on {}: the gradient along a direction is {analytic}, finite differences say {numeric}",
                spec.name,
                bench.device
            );
        }
    });
}
