//! Guidance on a part of the way.

use dit::{Config, Dit};
use flow::{ALWAYS, SampleOptions, Solver, sample};
use tests::harness::on_each_device;

use crate::random_weights;

const CONFIG: Config =
    Config { side: 4, channels: 1, patch: 2, width: 8, depth: 1, heads: 2, classes: 3, time_scale: 10.0 };

/// Steps begin at 0, ¼, ½ and ¾; Heun's also look at their ends.
const STEPS: usize = 4;

#[test]
fn guidance_applies_at_the_times_that_were_said_and_no_others() {
    let weights = random_weights(CONFIG, 0.4, 21);
    on_each_device(|bench| {
        let model = Dit::from_weights(&mut bench.stream, &weights).unwrap();
        let mut draw = |solver, guidance, guided| {
            let options = SampleOptions { solver, steps: STEPS, guidance, guided, ..SampleOptions::default() };
            sample(&mut bench.stream, &model, &[0, 1, 2], &options, |_| {}).unwrap()
        };
        let mut worst = |solver, [(s, one), (z, other)]: [(f32, _); 2]| -> f32 {
            let (one, other) = (draw(solver, s, one), draw(solver, z, other));
            one.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        for solver in [Solver::Euler, Solver::Heun] {
            // The null class's velocities ride along in another batch size, and round differently at most.
            let same = |difference: f32| difference < 1e-5;
            assert!(same(worst(solver, [(3.0, 0.8..0.9), (1.0, ALWAYS)])), "{solver}: between the evaluations");
            assert!(!same(worst(solver, [(3.0, 0.0..0.1), (1.0, ALWAYS)])), "{solver}: the first");
            assert!(!same(worst(solver, [(3.0, 0.0..0.1), (3.0, ALWAYS)])), "{solver}: the first alone");
            assert!(same(worst(solver, [(3.0, 0.0..1.1), (3.0, ALWAYS)])), "{solver}: all");
        }
        assert!(worst(Solver::Euler, [(3.0, 0.9..1.1), (1.0, ALWAYS)]) < 1e-5, "Euler's does not look at the end");
        assert!(worst(Solver::Heun, [(3.0, 0.9..1.1), (1.0, ALWAYS)]) > 1e-4, "Heun's does");
    });
}
