//! Stochastic ways to Gaussian data: whatever noise is added, the images have the data's distribution.

use flow::{Diffusion, FlowPath, LastStep, Sde, SdeSolver};
use kernels::GaussianNoise;
use tests::harness::{Bench, on_each_device};

use super::gaussian::{Gaussian, PATHS};

/// Images of one element each.
const ITEMS: usize = 20_000;

/// Where noise goes to in so many steps: the mean and the standard deviation.
fn ends(bench: &mut Bench, gaussian: Gaussian, sde: Sde, steps: usize) -> [f64; 2] {
    let gaussian_noise = |bench: &mut Bench, out: &runtime::Buffer, step| {
        GaussianNoise { out, seed: 11, step, first_item: 0, items: ITEMS, size: 1 }.launch(&mut bench.stream).unwrap();
    };
    let (x, noise) = (bench.output(ITEMS), bench.output(ITEMS));
    gaussian_noise(bench, &x, u32::MAX);
    let times = sde.times(steps, 1.0);
    for (step, ends) in (0..).zip(times.windows(2)) {
        gaussian_noise(bench, &noise, step);
        sde.step(&mut bench.stream, gaussian.path, &x, ends[0]..ends[1], &noise, gaussian.velocities()).unwrap();
    }
    sde.last_step(&mut bench.stream, gaussian.path, &x, *times.last().unwrap(), gaussian.velocities()).unwrap();
    let values: Vec<f32> = bench.read(&x);
    let mean = values.iter().map(|x| f64::from(*x)).sum::<f64>() / ITEMS as f64;
    let variance = values.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / ITEMS as f64;
    [mean, variance.sqrt()]
}

/// Fails unless the images have the data's mean and deviation. Of 20,000 normal numbers the mean is off by
/// σ / √20,000 = 0.0035 and the deviation by σ / √40,000 = 0.0025 for σ = 0.5: five of these, 0.018 and 0.0125, and what
/// the steps leave.
fn expect_data(bench: &mut Bench, gaussian: Gaussian, sde: Sde, steps: usize, of_steps: f64) {
    let [mean, deviation] = ends(bench, gaussian, sde, steps);
    let what = format!("{sde:?} along {} on {}: mean {mean:.4}, deviation {deviation:.4}", gaussian.path, bench.device);
    println!("{what}");
    assert!((mean - gaussian.mean).abs() < 0.018 + of_steps, "{what}");
    assert!((deviation - gaussian.deviation).abs() < 0.0125 + of_steps, "{what}");
}

const STRAIGHT: Gaussian = Gaussian { path: FlowPath::CondOt, mean: 0.7, deviation: 0.5 };

/// Steps of 0.01 are off by about as much in whatever they are of first order in. Where D does not fall to 0 at the end,
/// the steps there, and most of all the last without noise, take D · dt / σ² = 4 dt of the deviation away: they are to
/// be shorter.
#[test]
fn whatever_the_diffusion_the_data_is_reached() {
    on_each_device(|bench| {
        for diffusion in Diffusion::ALL {
            for solver in SdeSolver::ALL {
                let steps = if diffusion == Diffusion::Constant { 400 } else { 100 };
                let sde = Sde { diffusion, solver, last_size: 1.0 / steps as f32, ..Sde::default() };
                expect_data(bench, STRAIGHT, sde, steps, 0.01);
            }
        }
    });
}

#[test]
fn along_every_path() {
    on_each_device(|bench| {
        for path in PATHS {
            let sde = Sde { diffusion: Diffusion::Sigma, last_size: 0.01, ..Sde::default() };
            expect_data(bench, Gaussian { path, ..STRAIGHT }, sde, 100, 0.015);
        }
    });
}

/// From t = 0.96 on: along the drift or the velocity to the data; to its mean, which takes away the deviation that is
/// not known there; and nowhere.
#[test]
fn last_steps_end_where_they_say() {
    on_each_device(|bench| {
        for last in [LastStep::Mean, LastStep::Euler] {
            expect_data(bench, STRAIGHT, Sde { last, ..Sde::default() }, 100, 0.02);
        }
        let sde = Sde { last: LastStep::Tweedie, ..Sde::default() };
        let [mean, deviation] = ends(bench, STRAIGHT, sde, 100);
        // Var E[data | x] = (α · deviation²)² / Var x.
        let [_, variance] = STRAIGHT.moments(0.96);
        let known = 0.96 * 0.25 / variance.sqrt();
        assert!((mean - 0.7).abs() < 0.03 && (deviation - known).abs() < 0.02, "{mean}, {deviation}, not {known}");
        let none = ends(bench, STRAIGHT, Sde { last: LastStep::None, ..Sde::default() }, 100);
        assert!((none[0] - 0.7).abs() < 0.03 && (none[1] - 0.5).abs() < 0.03, "{none:?}");
    });
}

/// With no noise to add, what is left is the velocity's own way.
#[test]
fn without_diffusion_the_way_is_the_ode() {
    on_each_device(|bench| {
        let sde = Sde { diffusion: Diffusion::Constant, norm: 0.0, solver: SdeSolver::Heun, ..Sde::default() };
        let (x, noise) = (bench.upload(&[-1.5_f32, 0.0, 0.3]), bench.upload(&[9.0_f32; 3]));
        let times = sde.times(40, 1.0);
        for ends in times.windows(2) {
            sde.step(&mut bench.stream, FlowPath::CondOt, &x, ends[0]..ends[1], &noise, STRAIGHT.velocities()).unwrap();
        }
        sde.last_step(&mut bench.stream, FlowPath::CondOt, &x, 0.96, STRAIGHT.velocities()).unwrap();
        let found: Vec<f32> = bench.read(&x);
        for (start, found) in [-1.5, 0.0, 0.3].into_iter().zip(found) {
            let end = STRAIGHT.end(start);
            assert!((f64::from(found) - end).abs() < 5e-3, "{}: {found}, not {end}", bench.device);
        }
    });
}

#[test]
fn times_leave_room_for_the_last_step_and_for_what_is_infinite() {
    let sde = Sde::default();
    assert_eq!(sde.times(3, 1.0), [0.0, 0.48, 0.96].map(|t: f64| t * (1.0 - f64::from(0.04_f32)) / 0.96));
    assert_eq!(sde.times(1, 1.0).len(), 1);
    let none = Sde { last: LastStep::None, ..sde }.times(4, 1.0);
    assert_eq!((none.len(), none[0], none[4]), (5, 0.0, 0.999));
    assert_eq!(Sde { diffusion: Diffusion::Sbdm, ..sde }.times(9, 2.0)[0], 1e-3);
    let shifted = sde.times(3, 3.0);
    assert!((shifted[1] / shifted[2] - 0.25).abs() < 1e-12, "{shifted:?}");
}

#[test]
fn forms_are_found_by_their_names() {
    for form in Diffusion::ALL {
        assert_eq!(form.to_string().parse(), Ok(form));
    }
    for last in LastStep::ALL {
        assert_eq!(last.to_string().parse(), Ok(last));
    }
    for solver in SdeSolver::ALL {
        assert_eq!(solver.to_string().parse(), Ok(solver));
    }
    let complaint = "sigmoid".parse::<Diffusion>().unwrap_err();
    assert!(complaint.contains("sigmoid") && complaint.contains("increasing-decreasing"), "{complaint}");
}

/// SiT's formulas at a time, by hand: on the straight path at t = 1/4 with norm 2.
#[test]
fn diffusions_are_those_of_sit() {
    let root = 0.5_f64.sqrt();
    let wanted = [2.0, 2.0 * (0.5625 * 4.0 + 0.75), 1.5, 1.5, 0.25 * (2.0 * root + 1.0).powi(2), 1.0];
    for (form, wanted) in Diffusion::ALL.into_iter().zip(wanted) {
        let found = form.at(FlowPath::CondOt, 2.0, 0.25);
        assert!((found - wanted).abs() < 1e-12, "{form}: {found}, not {wanted}");
    }
}
