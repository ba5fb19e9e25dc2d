//! Every path under every solver, where the end is known: x(1) is an affine function of x(0).

use flow::{Adaptive, Prediction, Solver};
use tests::harness::{Bench, Values, on_each_device};

use super::gaussian::{Gaussian, PATHS};

fn gaussians() -> impl Iterator<Item = Gaussian> {
    PATHS.into_iter().map(|path| Gaussian { path, mean: 0.7, deviation: 0.5 })
}

/// The largest difference from the exact end.
fn off(bench: &mut Bench, gaussian: Gaussian, noise: &[f32], x: &runtime::Buffer) -> f64 {
    let ends: Vec<f32> = bench.read(x);
    noise.iter().zip(ends).map(|(x, end)| (f64::from(end) - gaussian.end(f64::from(*x))).abs()).fold(0.0, f64::max)
}

/// Noise goes to data of the right mean and deviation on every path: the velocities' and the solvers' signs, times
/// and factors are all in it. The steps are as many as leave every method well below what one wrong factor would do,
/// and Euler's within its order of them: the paths' ways bend by about 2, and 100 steps leave 2 / 100.
#[test]
fn every_solver_leads_along_every_path_to_the_data() {
    let noise = Values::new(6).normal(131);
    on_each_device(|bench| {
        for (gaussian, solver) in gaussians().flat_map(|gaussian| Solver::ALL.map(|solver| (gaussian, solver))) {
            let steps = 100;
            let x = bench.upload(&noise);
            for step in 0..steps {
                let (time, dt) = (step as f32 / steps as f32, 1.0 / steps as f32);
                solver.step(&mut bench.stream, &x, time, dt, gaussian.velocities()).unwrap();
            }
            let (error, allowed) = (off(bench, gaussian, &noise, &x), [0.0, 0.1, 3e-3, 0.0, 2e-5, 2e-5]);
            let allowed = allowed[solver.order() as usize];
            println!("{solver} along {} on {}: {error:.1e}", gaussian.path, bench.device);
            assert!(error < allowed, "{solver} along {} on {}: off by {error:.1e}", gaussian.path, bench.device);
        }
    });
}

/// Each step may be off by the tolerance of a value, on the average of an item: the error at the end is that of all.
#[test]
fn adaptive_steps_are_as_exact_as_asked_for_and_no_more_than_needed() {
    let noise = Values::new(7).normal(3 * 43);
    on_each_device(|bench| {
        for gaussian in gaussians() {
            let mut last = usize::MAX;
            for tolerance in [1e-5, 1e-3] {
                let x = bench.upload(&noise);
                let (mut evaluations, mut times) = (0, vec![0.0]);
                let velocity = gaussian.velocities();
                let counted = |stream: &mut runtime::Stream, x: &runtime::Buffer, time: f32| {
                    evaluations += 1;
                    velocity(stream, x, time)
                };
                let adaptive = Adaptive { relative: tolerance, absolute: tolerance, ..Adaptive::default() };
                adaptive.integrate(&mut bench.stream, &x, 3, 0.0..1.0, counted, |time| times.push(time)).unwrap();
                let (error, steps) = (off(bench, gaussian, &noise, &x), times.len() - 1);
                println!(
                    "dopri5 at {tolerance:.0e} along {} on {}: {error:.1e}, {steps} steps, {evaluations} evaluations",
                    gaussian.path, bench.device
                );
                let largest = f64::from(noise.iter().fold(1.0, |largest: f32, x| largest.max(x.abs())));
                let allowed = steps as f64 * f64::from(tolerance) * (1.0 + largest);
                assert!(error < allowed, "{}: off by {error:.1e} at {tolerance}", gaussian.path);
                assert!(times.is_sorted() && times.last() == Some(&1.0), "{times:?}");
                assert!(evaluations % 6 == 1 && evaluations > 6 * steps, "{evaluations} for {steps} steps");
                assert!(evaluations < last && evaluations < 200, "{}: {evaluations}", gaussian.path);
                last = evaluations;
            }
        }
    });
}

/// What follows from the velocity is what is to be expected of data and noise given the point.
#[test]
fn velocities_tell_data_noise_and_score() {
    let points = Values::new(8).normal(37);
    on_each_device(|bench| {
        for gaussian in gaussians() {
            for time in [0.0_f32, 0.01, 0.3, 0.5, 0.9, 0.99] {
                let t = f64::from(time);
                let ([mean, variance], [alpha, _, square, _]) =
                    (gaussian.moments(t), tests::oracle::flow::path(gaussian.path, t));
                let x = bench.upload(&points);
                let velocity = points.iter().map(|x| gaussian.velocity(f64::from(*x), t) as f32).collect::<Vec<_>>();
                let velocity = bench.upload(&velocity);
                let score = |x: f64| -(x - mean) / variance;
                // Tweedie's formula, and what is left of the point without that data.
                let data = |x: f64| (x + square * score(x)) / alpha;
                let noise = |x: f64| -square.sqrt() * score(x);
                let wanted: [(Prediction, &dyn Fn(f64) -> f64); 3] =
                    [(Prediction::Data, &data), (Prediction::Noise, &noise), (Prediction::Score, &score)];
                for (prediction, wanted) in wanted {
                    if alpha == 0.0 && prediction == Prediction::Data {
                        continue; // Tweedie's formula divides by it
                    }
                    let stream = &mut bench.stream;
                    let found = prediction.predict(stream, gaussian.path, &x, &velocity, time).unwrap();
                    let found: Vec<f32> = bench.read(&found);
                    // Where there is little noise or data, their weights are large, and cancel.
                    let [a, b] = [square.sqrt(), alpha].map(|part| 1.0 / part.max(1e-3));
                    let allowed = 3e-6 * a.max(b) * if prediction == Prediction::Score { a } else { 1.0 };
                    for (x, found) in points.iter().zip(&found) {
                        let (want, found) = (wanted(f64::from(*x)), f64::from(*found));
                        let (path, device) = (gaussian.path, &bench.device);
                        assert!(
                            (found - want).abs() < allowed * (1.0 + want.abs()),
                            "{prediction:?} of {path} at {time} on {device}: {found}, expected {want}"
                        );
                    }
                }
            }
        }
    });
}

/// At the very start the straight path's point and velocity add up to the data.
#[test]
fn data_is_told_from_noise_alone_where_the_path_leaves_it_at_once() {
    on_each_device(|bench| {
        let (x, velocity) = (bench.upload(&[0.5_f32, -1.0]), bench.upload(&[0.25_f32, 2.0]));
        let found = Prediction::Data.predict(&mut bench.stream, flow::FlowPath::CondOt, &x, &velocity, 0.0).unwrap();
        assert_eq!(bench.read::<f32>(&found), [0.75, 1.0], "{}", bench.device);
    });
}
