//! The solvers on flows whose way from noise to data is known.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod adaptive;
mod gaussian;
mod paths;
mod stochastic;

use flow::{Solver, Velocity};
use runtime::{Buffer, Result, Stream};
use tests::harness::{Bench, Values, on_each_device};

/// A velocity, and where its way from x₀ at t = 0 leads to at t = 1.
#[derive(Clone, Copy)]
struct Flow {
    velocity: fn(x: f64, t: f64) -> f64,
    end: fn(x: f64) -> f64,
}

/// From noise to data of this mean and deviation. Where x_t = t · data + (1 − t) · noise, x_t is normal with
/// mean t · m and variance s(t)² = t² σ² + (1 − t)², and the velocity is m + s'(t) / s(t) · (x − t · m):
/// its way leads to m + σ · x₀ (Lipman et al., 2210.02747, section 4).
const GAUSSIAN: Flow = Flow {
    velocity: |x, t| {
        let variance = t * t * DEVIATION * DEVIATION + (1.0 - t) * (1.0 - t);
        MEAN + (t * DEVIATION * DEVIATION - (1.0 - t)) / variance * (x - t * MEAN)
    },
    end: |x| MEAN + DEVIATION * x,
};
const MEAN: f64 = 0.7;
const DEVIATION: f64 = 0.2;

/// Neither linear nor the same at all times: nothing lets a method gain an order.
const BEND: Flow = Flow {
    velocity: |x, t| 4.0 * (4.0 * t).cos() * x.sin(),
    end: |x| 2.0 * ((0.5 * x).tan() * 4.0_f64.sin().exp()).atan(),
};

const DECAY: Flow = Flow { velocity: |x, _| -3.0 * x, end: |x| (-3.0_f64).exp() * x };

/// The largest difference from the exact end after so many steps.
fn error(bench: &mut Bench, flow: Flow, solver: Solver, steps: usize, noise: &[f32]) -> f64 {
    let velocity = |stream: &mut Stream, x: &Buffer, time: f32| -> Result<Velocity> {
        let x: Vec<f32> = stream.read(x)?;
        let velocity = x.iter().map(|x| (flow.velocity)(f64::from(*x), f64::from(time)) as f32);
        Ok(Velocity::Plain(stream.upload(&velocity.collect::<Vec<f32>>())?))
    };
    let x = bench.upload(noise);
    for step in 0..steps {
        let (time, dt) = (step as f32 / steps as f32, 1.0 / steps as f32);
        solver.step(&mut bench.stream, &x, time, dt, velocity).unwrap();
    }
    let ends: Vec<f32> = bench.read(&x);
    noise.iter().zip(ends).map(|(x, end)| (f64::from(end) - (flow.end)(f64::from(*x))).abs()).fold(0.0, f64::max)
}

/// By what power of the step's length the error falls from `steps` to twice as many. These are enough
/// for the first term of the error to prevail, and few enough for rounding, 1e-6, not to.
fn order(bench: &mut Bench, flow: Flow, solver: Solver) -> f64 {
    let steps = match solver {
        Solver::Euler => 128,
        Solver::Midpoint => 16,
        Solver::Heun => 32,
        Solver::RungeKutta4 => 8,
        Solver::DormandPrince5 => 4,
    };
    let noise = Values::new(3).normal(101);
    let (coarse, fine) = (error(bench, flow, solver, steps, &noise), error(bench, flow, solver, 2 * steps, &noise));
    (coarse / fine).log2()
}

#[test]
fn errors_fall_with_the_order_of_the_solver() {
    on_each_device(|bench| {
        for solver in Solver::ALL {
            let (order, stated) = (order(bench, DECAY, solver), f64::from(solver.order()));
            // Rounding ends where the first term of the fifth order's error would prevail; the next adds to it.
            let above = if solver == Solver::DormandPrince5 { 1.35 } else { 0.35 };
            assert!(
                order > stated - 0.35 && order < stated + above,
                "{solver} on {}: of order {order:.2}",
                bench.device
            );
        }
    });
}

/// The times of the stages matter here. The midpoint method gains an order, for the variance is
/// quadratic in time.
#[test]
fn on_the_way_to_gaussian_data_too() {
    on_each_device(|bench| {
        for solver in Solver::ALL {
            let (order, stated) = (order(bench, GAUSSIAN, solver), f64::from(solver.order()));
            let least = if solver == Solver::Midpoint { 3.0 } else { stated };
            assert!(order > least - 0.35, "{solver} on {}: of order {order:.2}", bench.device);
        }
    });
}

/// For the same number of evaluations every other solver is more exact than Euler's method.
#[test]
fn higher_orders_need_fewer_evaluations() {
    let noise = Values::new(4).normal(33);
    on_each_device(|bench| {
        let errors = Solver::ALL.map(|solver| error(bench, GAUSSIAN, solver, 24 / solver.evaluations(), &noise));
        assert!(errors[1..].iter().all(|error| *error < 0.5 * errors[0]), "{}: {errors:?}", bench.device);
    });
}

/// Guidance is linear in the two velocities: as weights it must come to the same steps.
#[test]
fn guided_steps_are_plain_steps_along_the_guided_velocity() {
    const GUIDANCE: f32 = 2.5;
    let noise = Values::new(5).normal(67);
    let conditional = |x: f32, time: f32| 0.5 - x * (1.0 + time);
    let null = |x: f32, time: f32| 0.25 * x - time;
    on_each_device(|bench| {
        for solver in Solver::ALL {
            let [plain, guided] = [false, true].map(|guided| {
                let x = bench.upload(&noise);
                let velocity = |stream: &mut Stream, x: &Buffer, time: f32| -> Result<Velocity> {
                    let x: Vec<f32> = stream.read(x)?;
                    let both: Vec<f32> =
                        x.iter().map(|x| conditional(*x, time)).chain(x.iter().map(|x| null(*x, time))).collect();
                    if guided {
                        return Ok(Velocity::Guided { both: stream.upload(&both)?, guidance: GUIDANCE });
                    }
                    let (conditional, null) = both.split_at(x.len());
                    let mixed = conditional.iter().zip(null).map(|(c, n)| n + GUIDANCE * (c - n));
                    Ok(Velocity::Plain(stream.upload(&mixed.collect::<Vec<f32>>())?))
                };
                solver.step(&mut bench.stream, &x, 0.25, 0.125, velocity).unwrap();
                bench.read::<f32>(&x)
            });
            let worst = plain.iter().zip(&guided).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 1e-5, "{solver} on {}: {worst}", bench.device);
            assert!(plain.iter().zip(&noise).any(|(a, b)| (a - b).abs() > 0.01), "{solver} has not moved");
        }
    });
}

#[test]
fn solvers_are_found_by_their_names() {
    for solver in Solver::ALL {
        assert_eq!(solver.to_string().parse(), Ok(solver));
    }
    let complaint = "rk5".parse::<Solver>().unwrap_err();
    assert!(complaint.contains("rk5") && complaint.contains("midpoint"), "{complaint}");
}

/// Prints the table of docs/flow.md, and fails unless each doubling of the steps that is far from rounding gains what
/// the order promises, or more: `cargo test -p tests --test solvers table -- --nocapture`.
#[test]
fn the_table_of_orders() {
    const STEPS: [usize; 6] = [2, 4, 8, 16, 32, 64];
    /// Rounding adds up to a few 1e-6 here.
    const ROUNDING: f64 = 1e-5;
    let noise = Values::new(3).normal(101);
    on_each_device(|bench| {
        println!("\n{}", bench.device);
        println!("| solver | order | {} |", STEPS.map(|steps| format!("{steps} steps")).join(" | "));
        for solver in Solver::ALL {
            let errors = STEPS.map(|steps| error(bench, BEND, solver, steps, &noise));
            let mut cells = vec![format!("{:.1e}", errors[0])];
            for pair in errors.windows(2) {
                let order = (pair[0] / pair[1]).log2();
                let clear = pair[1] > ROUNDING;
                cells.push(format!("{:.1e}{}", pair[1], if clear { format!(" ({order:.1})") } else { String::new() }));
            }
            println!("| {solver} | {} | {} |", solver.order(), cells.join(" | "));
            let last = errors.windows(2).rfind(|pair| pair[1] > ROUNDING).unwrap();
            let order = (last[0] / last[1]).log2();
            assert!(order > f64::from(solver.order()) - 0.35, "{solver} on {}: of order {order:.2}", bench.device);
        }
    });
}
