//! Guidance on a part of the way.

use dit::{Config, Dit, FlowPath, Variant};
use flow::{ALWAYS, Adaptive, SampleOptions, Sde, SdeSolver, Solver, sample, sample_counting};
use tests::harness::on_each_device;

use crate::random_weights;

const CONFIG: Config = Config {
    side: 4,
    channels: 1,
    patch: 2,
    width: 8,
    depth: 1,
    heads: 2,
    classes: 3,
    time_scale: 10.0,
    path: FlowPath::CondOt,
    variant: Variant::DIT,
};

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

/// The forms change guided images and no others, and leave out the steps they say; each evaluation with guidance is
/// two, each without it one.
#[test]
fn forms_of_guidance_change_what_is_guided() {
    let weights = random_weights(CONFIG, 0.4, 21);
    on_each_device(|bench| {
        let model = Dit::from_weights(&mut bench.stream, &weights).unwrap();
        let mut draw = |guidance, guidance_rescale, cfg_zero_star| {
            let options =
                SampleOptions { steps: STEPS, guidance, guidance_rescale, cfg_zero_star, ..SampleOptions::default() };
            sample_counting(&mut bench.stream, &model, &[0, 1, 2], &options, |_| {}).unwrap()
        };
        let off = |one: &[f32], other: &[f32]| one.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let (plain, evaluations) = draw(3.0, 0.0, None);
        assert_eq!(evaluations, 2 * STEPS);
        for (rescale, zero) in [(1.0, None), (0.5, None), (0.0, Some(0.0)), (0.7, Some(0.0))] {
            let (images, evaluations) = draw(3.0, rescale, zero);
            assert!(off(&images, &plain) > 1e-3, "{rescale} and {zero:?} change nothing");
            assert_eq!(evaluations, 2 * STEPS);
        }
        let (all, _) = draw(3.0, 0.0, Some(0.0));
        let (fewer, evaluations) = draw(3.0, 0.0, Some(0.25));
        assert_eq!(evaluations, 2 * (STEPS - 1), "a quarter of the steps is left out");
        assert!(off(&fewer, &all) > 1e-3);
        let (unguided, evaluations) = draw(1.0, 0.0, None);
        assert_eq!((draw(1.0, 1.0, Some(0.25)), evaluations), ((unguided, STEPS), STEPS), "there is no guidance here");
    });
}

/// An image's noise is its own at every step, whatever batch it is drawn in; another seed is another way.
#[test]
fn stochastic_images_do_not_depend_on_their_batch() {
    let weights = random_weights(CONFIG, 0.4, 21);
    on_each_device(|bench| {
        let model = Dit::from_weights(&mut bench.stream, &weights).unwrap();
        for solver in SdeSolver::ALL {
            let mut draw = |batch, seed| {
                let sde = Some(Sde { solver, ..Sde::default() });
                let options = SampleOptions { steps: 6, sde, guidance: 2.0, seed, batch, ..SampleOptions::default() };
                sample_counting(&mut bench.stream, &model, &[0, 1, 2, 1, 0], &options, |_| {}).unwrap()
            };
            let ((together, evaluations), (apart, _), (other, _)) = (draw(5, 1), draw(2, 1), draw(5, 2));
            let off = |other: &[f32]| together.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            // In batches of other sizes products round differently.
            assert!(off(&apart) < 1e-4, "{solver}: {}", off(&apart));
            assert!(off(&other) > 0.1, "{solver}: {}", off(&other));
            assert_eq!(evaluations, 2 * if solver == SdeSolver::Heun { 11 } else { 6 });
        }
    });
}

/// More exact steps are nearer to what very short ones lead to, and take more evaluations.
#[test]
fn adaptive_images_are_those_of_many_steps() {
    let weights = random_weights(CONFIG, 0.4, 22);
    on_each_device(|bench| {
        let model = Dit::from_weights(&mut bench.stream, &weights).unwrap();
        let mut draw = |solver, steps, tolerance| {
            let adaptive = Adaptive { relative: tolerance, absolute: tolerance, ..Adaptive::default() };
            let options = SampleOptions { solver, steps, adaptive, guidance: 2.0, ..SampleOptions::default() };
            sample_counting(&mut bench.stream, &model, &[0, 1, 2], &options, |_| {}).unwrap()
        };
        let (exact, _) = draw(Solver::RungeKutta4, 100, 1e-3);
        let off = |images: &[f32]| images.iter().zip(&exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let ((coarse, few), (fine, many)) =
            (draw(Solver::DormandPrince5, 10, 1e-2), draw(Solver::DormandPrince5, 10, 1e-5));
        assert!(off(&fine) < 2e-3 && off(&fine) < 0.1 * off(&coarse), "{} and {}", off(&fine), off(&coarse));
        assert!(few < many && many % 12 == 2, "{few}, {many}");
    });
}

/// Longer steps towards the end, of other images; a shift of 1 is none.
#[test]
fn shifted_times_lead_elsewhere_in_few_steps() {
    let weights = random_weights(CONFIG, 0.4, 21);
    on_each_device(|bench| {
        let model = Dit::from_weights(&mut bench.stream, &weights).unwrap();
        let mut draw = |time_shift| {
            let options = SampleOptions { steps: STEPS, time_shift, ..SampleOptions::default() };
            sample_counting(&mut bench.stream, &model, &[0, 1, 2], &options, |_| {}).unwrap()
        };
        let ((plain, count), (shifted, same)) = (draw(1.0), draw(3.0));
        assert_eq!(count, same);
        assert!(plain.iter().zip(&shifted).any(|(a, b)| (a - b).abs() > 1e-3));
    });
}
