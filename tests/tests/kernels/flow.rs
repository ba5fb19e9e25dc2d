//! Group F.

use kernels::{Euler, FlowPath, FlowPoint, GuidanceEuler, GuidedVelocity, Mse, MseBackward, ScaledError};
use proptest::prelude::*;
use tests::harness::{Bench, Tolerance, Values, for_kernel};
use tests::oracle::flow as oracle;

use super::presets::{batches, presets};
use super::random::{magnitude, random_cases, seed, size};
use super::refusals::{expect_refusal, refuses_buffers, refuses_sizes};
use super::trial::Trial;
use super::{FOLDED, LENGTHS};

/// B and the elements of an item.
const ITEMS: [[usize; 2]; 10] =
    [[1, 1], [3, 1], [1, 5], [2, 63], [7, 64], [5, 65], [64, 196], [3, 784], [13, 1021], [2, FOLDED.div_ceil(2)]];

fn items() -> impl Iterator<Item = [usize; 2]> {
    ITEMS.into_iter().chain(presets().into_iter().zip(batches()).map(|(config, batch)| [batch, config.image_size()]))
}

fn random_items() -> impl Strategy<Value = [usize; 2]> {
    (size(50), size(200)).prop_map(|(batch, size)| [batch, size])
}

/// Times with both ends among them.
fn times(batch: usize) -> Vec<f32> {
    let mut times = Values::new(batch as u64).uniform(0.0, 1.0, batch);
    if batch > 2 {
        (times[0], times[1]) = (0.0, 1.0);
    }
    times
}

const PATHS: [FlowPath; 7] = [
    FlowPath::CondOt,
    FlowPath::Polynomial(1),
    FlowPath::Polynomial(3),
    FlowPath::Polynomial(8),
    FlowPath::VariancePreserving,
    FlowPath::LinearVp,
    FlowPath::Cosine,
];

fn flow_point_trial(path: FlowPath, [batch, size]: [usize; 2], magnitude: f32, seed: u64) -> Trial {
    let (mut values, len, times) = (Values::new(seed), batch * size, times(batch));
    let largest = times.iter().flat_map(|t| oracle::coefficients(path, f64::from(*t))).fold(1.0, |a, b| b.abs().max(a));
    let tolerance = match path {
        FlowPath::CondOt => Tolerance::ROUNDING,
        _ => Tolerance::new(2e-5 * largest, 1e-6, "coefficients good to 4e-6 of the largest, times numbers up to 3.5"),
    };
    Trial::new(format!("flow_point ({batch}, {size}), {path}"))
        .reads("data", values.normal(len))
        .reads("noise", values.normal(len))
        .reads("time", times)
        .writes("out_point", len, tolerance)
        .writes("out_velocity", len, tolerance)
        .launch(move |bench, b| {
            let [data, noise, time, out_point, out_velocity] = b else { panic!("five buffers") };
            FlowPoint { data, noise, time, out_point, out_velocity, path, batch, size }.launch(&mut bench.stream)
        })
        .oracle(move |a| {
            let (point, velocity) = oracle::flow_point(path, &a[0], &a[1], &a[2], size);
            vec![point, velocity]
        })
        .scaled(magnitude, &["data", "noise"], 1)
}

/// The coefficients themselves, by data and noise of one and zero: near both ends and at them, where formulas cancel.
fn expect_coefficients(bench: &mut Bench, path: FlowPath) {
    let near = |end: f32| (1..24).map(move |power| (end - 0.5_f32.powi(power)).abs());
    let middle = (0..=100).map(|i| i as f32 / 100.0);
    let times: Vec<f32> =
        near(0.0).chain(near(1.0)).chain(middle).chain([FlowPath::LAST, FlowPath::LAST.next_up()]).collect();
    let (batch, ones, zeros) = (times.len(), vec![1.0_f32; times.len()], vec![0.0_f32; times.len()]);
    let reason = "drivers' exp is off by up to 3e-6; sines and differences from 1 to 1.5e-7 of 1, and the root of 1e-6";
    // σ' of the last times is β / σ, where σ is down to 1e-3 and made of numbers good to 1e-7.
    let tolerance = Tolerance::new(3e-7, 6e-6, reason);
    for (data, noise, which) in [(&ones, &zeros, 0), (&zeros, &ones, 1)] {
        let (data, noise, time) = (bench.upload(data), bench.upload(noise), bench.upload(&times));
        let [out_point, out_velocity] = [(); 2].map(|()| bench.output(batch));
        let (out_point, out_velocity) = (&out_point, &out_velocity);
        FlowPoint { data: &data, noise: &noise, time: &time, out_point, out_velocity, path, batch, size: 1 }
            .launch(&mut bench.stream)
            .unwrap();
        let want = |index: usize| -> Vec<f64> {
            times.iter().map(|t| oracle::coefficients(path, f64::from(*t))[index]).collect()
        };
        let of = ["data", "noise"][which];
        bench.expect(format_args!("flow_point: {of} of a point, {path}"), out_point, &want(which), tolerance);
        bench.expect(format_args!("flow_point: {of} of a velocity, {path}"), out_velocity, &want(2 + which), tolerance);
    }
}

#[test]
pub fn flow_point() {
    for_kernel("flow_point", |bench| {
        for items in items() {
            flow_point_trial(FlowPath::CondOt, items, 1.0, items[1] as u64).check(bench);
        }
        let small = items().filter(|[batch, size]| batch * size < FOLDED);
        for (path, items) in small.flat_map(|items| PATHS.map(|path| (path, items))) {
            flow_point_trial(path, items, 1.0, items[1] as u64).check(bench);
        }
        let arguments = (random_items(), 0..PATHS.len(), magnitude(), seed());
        random_cases(bench, 64, arguments, |bench, (items, path, magnitude, seed)| {
            flow_point_trial(PATHS[path], items, magnitude, seed).check(bench);
        });
        for path in PATHS {
            expect_coefficients(bench, path);
        }
        for path in [FlowPath::CondOt, FlowPath::VariancePreserving] {
            flow_point_trial(path, [4, 17], 1.0, 1).poison(bench);
        }
        flow_point_trial(FlowPath::CondOt, [4, 17], 1.0, 1).check_tiny(bench);
        let (x, time) = (bench.output(6), bench.output(2));
        let path = FlowPath::CondOt;
        let launch =
            FlowPoint { data: &x, noise: &x, time: &time, out_point: &x, out_velocity: &x, path, batch: 2, size: 3 };
        refuses_buffers!(bench, launch, FlowPoint { data, noise, time, out_point, out_velocity });
        for degree in [0, 9] {
            let launch = FlowPoint { path: FlowPath::Polynomial(degree), ..launch };
            expect_refusal(launch.launch(&mut bench.stream), "a degree", &["1 to 8", &degree.to_string()]);
        }
        refuses_sizes(bench, |stream, x, [batch, size]| {
            FlowPoint { data: x, noise: x, time: x, out_point: x, out_velocity: x, path, batch, size }.launch(stream)
        });
    });
}

fn guided_velocity_trial(
    [batch, size]: [usize; 2],
    [guidance, rescale]: [f32; 2],
    scale_null: bool,
    magnitude: f32,
    seed: u64,
) -> Trial {
    let (mut values, len) = (Values::new(seed), batch * size);
    let tolerance = Tolerance::new(
        5e-5,
        2e-5,
        "guidance up to 5 multiplies sums of cancelling products, and the root of a variance divides",
    );
    let form = format!("guidance {guidance}, rescale {rescale}, null scaled: {scale_null}");
    Trial::new(format!("guided_velocity ({batch}, {size}), {form}"))
        .reads("velocity", values.normal(2 * len))
        .writes("out", len, tolerance)
        .launch(move |bench, b| {
            GuidedVelocity { velocity: &b[0], out: &b[1], guidance, rescale, scale_null, batch, size }
                .launch(&mut bench.stream)
        })
        .oracle(move |a| vec![oracle::guided_velocity(&a[0], guidance, rescale, scale_null, size)])
        .scaled(magnitude, &["velocity"], 1)
}

#[test]
pub fn guided_velocity() {
    // Two or three elements may be nearly equal by chance, and a deviation near zero is no divisor to compare by.
    let rescaled = |size: usize, rescale: f32| if size < 8 { 0.0 } else { rescale };
    for_kernel("guided_velocity", |bench| {
        let settings = [([3.0, 0.0], true), ([4.5, 0.7], false), ([0.5, 1.0], true), ([1.0, 0.25], false)];
        // In place of a long item, more items than a row of workgroups takes.
        let items = items().filter(|[_, size]| *size < 10_000).chain([[66_003, 9]]);
        for (items, ([guidance, rescale], scale)) in items.zip(settings.into_iter().cycle()) {
            let rescale = rescaled(items[1], rescale);
            guided_velocity_trial(items, [guidance, rescale], scale, 1.0, items[1] as u64).check(bench);
        }
        let numbers = (0.0_f32..5.0, 0.0_f32..=1.0, any::<bool>());
        let arguments = (random_items(), numbers, prop_oneof![Just(1.0_f32), Just(1e-2), Just(1e4)], seed());
        random_cases(bench, 32, arguments, |bench, (items, (guidance, rescale, scale), magnitude, seed)| {
            let rescale = rescaled(items[1], rescale);
            guided_velocity_trial(items, [guidance, rescale], scale, magnitude, seed).check(bench);
        });
        // A velocity without deviation: what is rescaled is left out, and nothing is divided by zero.
        guided_velocity_trial([3, 1], [3.0, 0.25], true, 1.0, 5).check(bench);
        guided_velocity_trial([3, 17], [3.0, 0.5], true, 1.0, 1).check_tiny(bench);
        guided_velocity_trial([3, 17], [3.0, 0.5], true, 1.0, 1).poison(bench);
        guided_velocity_trial([3, 17], [3.0, 0.5], false, 1.0, 1).poison(bench);
        let (velocity, out) = (bench.output(12), bench.output(6));
        let launch = GuidedVelocity {
            velocity: &velocity,
            out: &out,
            guidance: 3.0,
            rescale: 0.5,
            scale_null: true,
            batch: 2,
            size: 3,
        };
        refuses_buffers!(bench, launch, GuidedVelocity { velocity, out });
        refuses_sizes(bench, |stream, x, [batch, size]| {
            GuidedVelocity { velocity: x, out: x, guidance: 1.0, rescale: 0.0, scale_null: false, batch, size }
                .launch(stream)
        });
    });
}

fn scaled_error_trial([batch, size]: [usize; 2], [absolute, relative]: [f32; 2], seed: u64) -> Trial {
    let (mut values, len) = (Values::new(seed), batch * size);
    let tolerance = Tolerance::new(0.0, 5e-6, "the terms are positive; each of 64 lanes adds few");
    Trial::new(format!("scaled_error ({batch}, {size}), absolute {absolute}, relative {relative}"))
        .reads("error", values.normal(len).iter().map(|value| 1e-3 * value).collect())
        .reads("before", values.normal(len))
        .reads("after", values.normal(len))
        .writes("out", batch, tolerance)
        .launch(move |bench, b| {
            let [error, before, after, out] = b else { panic!("four buffers") };
            ScaledError { error, before, after, out, absolute, relative, batch, size }.launch(&mut bench.stream)
        })
        .oracle(move |a| vec![oracle::scaled_error(&a[0], &a[1], &a[2], [absolute, relative], size)])
}

#[test]
pub fn scaled_error() {
    for_kernel("scaled_error", |bench| {
        let tolerances = [[1e-3, 1e-2], [1e-4, 1e-3], [1.0, 0.0]];
        // In place of a long item, more items than a row of workgroups takes.
        let items = items().filter(|[_, size]| *size < 10_000).chain([[70_001, 2]]);
        for (items, tolerances) in items.zip(tolerances.into_iter().cycle()) {
            scaled_error_trial(items, tolerances, items[1] as u64).check(bench);
        }
        let arguments = (random_items(), 1e-4_f32..1.0, 0.0_f32..1.0, seed());
        random_cases(bench, 32, arguments, |bench, (items, absolute, relative, seed)| {
            scaled_error_trial(items, [absolute, relative], seed).check(bench);
        });
        scaled_error_trial([3, 131], [1e-3, 1e-3], 1).check_tiny(bench);
        scaled_error_trial([3, 131], [1e-3, 1e-3], 1).poison(bench);
        let (x, out) = (bench.output(6), bench.output(2));
        let (absolute, relative) = (1e-3, 1e-3);
        let launch = ScaledError { error: &x, before: &x, after: &x, out: &out, absolute, relative, batch: 2, size: 3 };
        refuses_buffers!(bench, launch, ScaledError { error, before, after, out });
        refuses_sizes(bench, |stream, x, [batch, size]| {
            ScaledError { error: x, before: x, after: x, out: x, absolute, relative, batch, size }.launch(stream)
        });
    });
}

fn mse_trial([batch, size]: [usize; 2], magnitude: f32, seed: u64) -> Trial {
    let (mut values, len) = (Values::new(seed), batch * size);
    let tolerance = Tolerance::new(0.0, 5e-6, "the terms are positive; each of 64 lanes adds few");
    Trial::new(format!("mse ({batch}, {size})"))
        .reads("prediction", values.normal(len))
        .reads("target", values.normal(len))
        .writes("out", batch, tolerance)
        .launch(move |bench, b| {
            Mse { prediction: &b[0], target: &b[1], out: &b[2], batch, size }.launch(&mut bench.stream)
        })
        .oracle(move |a| vec![oracle::mse(&a[0], &a[1], size)])
        .scaled(magnitude, &["prediction", "target"], 2)
}

#[test]
pub fn mse() {
    for_kernel("mse", |bench| {
        // In place of a long item, more items than a row of workgroups takes.
        for items in items().filter(|[_, size]| *size < 10_000).chain([[70_001, 2]]) {
            mse_trial(items, 1.0, items[1] as u64).check(bench);
        }
        random_cases(bench, 32, (random_items(), magnitude(), seed()), |bench, (items, magnitude, seed)| {
            mse_trial(items, magnitude, seed).check(bench);
        });
        mse_trial([3, 131], 1.0, 1).check_tiny(bench);
        mse_trial([3, 131], 1.0, 1).poison(bench);
        let (x, out) = (bench.output(6), bench.output(2));
        let launch = Mse { prediction: &x, target: &x, out: &out, batch: 2, size: 3 };
        refuses_buffers!(bench, launch, Mse { prediction, target, out });
        refuses_sizes(bench, |stream, x, [batch, size]| {
            Mse { prediction: x, target: x, out: x, batch, size }.launch(stream)
        });
    });
}

fn mse_backward_trial([batch, size]: [usize; 2], seed: u64) -> Trial {
    let (mut values, len) = (Values::new(seed), batch * size);
    let tolerance = Tolerance::new(0.0, 1e-6, "a handful of roundings of one product");
    Trial::new(format!("mse_backward ({batch}, {size})"))
        .reads("prediction", values.spread(len))
        .reads("target", values.spread(len))
        .reads("upstream", vec![-0.7])
        .writes("out", len, tolerance)
        .launch(move |bench, b| {
            let [prediction, target, upstream, out] = b else { panic!("four buffers") };
            MseBackward { prediction, target, upstream, out, batch, size }.launch(&mut bench.stream)
        })
        .oracle(|a| vec![oracle::mse_backward(&a[0], &a[1], a[2][0])])
}

#[test]
pub fn mse_backward() {
    for_kernel("mse_backward", |bench| {
        for items in items() {
            mse_backward_trial(items, items[1] as u64).check(bench);
        }
        random_cases(bench, 32, (random_items(), seed()), |bench, (items, seed)| {
            mse_backward_trial(items, seed).check(bench);
        });
        mse_backward_trial([3, 131], 1).check_tiny(bench);
        mse_backward_trial([3, 131], 1).poison(bench);
        let (x, upstream) = (bench.output(6), bench.output(1));
        let launch = MseBackward { prediction: &x, target: &x, upstream: &upstream, out: &x, batch: 2, size: 3 };
        refuses_buffers!(bench, launch, MseBackward { prediction, target, upstream, out });
        refuses_sizes(bench, |stream, x, [batch, size]| {
            MseBackward { prediction: x, target: x, upstream: x, out: x, batch, size }.launch(stream)
        });
    });
}

fn guidance_euler_trial([batch, size]: [usize; 2], [guidance, dt]: [f32; 2], magnitude: f32, seed: u64) -> Trial {
    let (mut values, len) = (Values::new(seed), batch * size);
    let tolerance = Tolerance::new(5e-6, 1e-6, "guidance multiplies the velocities' difference, which is near 4 here");
    Trial::new(format!("guidance_euler ({batch}, {size}), guidance {guidance}, dt {dt}"))
        .reads("velocity", values.normal(2 * len))
        .changes("x", values.normal(len), tolerance)
        .launch(move |bench, b| {
            GuidanceEuler { velocity: &b[0], x: &b[1], guidance, dt, batch, size }.launch(&mut bench.stream)
        })
        .oracle(move |a| vec![oracle::guidance_euler(&a[0], &a[1], guidance, dt)])
        .scaled(magnitude, &["velocity", "x"], 1)
}

#[test]
pub fn guidance_euler() {
    for_kernel("guidance_euler", |bench| {
        let settings = [[1.0, 0.02], [4.5, 0.3], [0.0, -0.125]];
        for (items, settings) in items().zip(settings.into_iter().cycle()) {
            guidance_euler_trial(items, settings, 1.0, items[1] as u64).check(bench);
        }
        let arguments = (random_items(), 0.0_f32..5.0, -1.0_f32..1.0, magnitude(), seed());
        random_cases(bench, 32, arguments, |bench, (items, guidance, dt, magnitude, seed)| {
            guidance_euler_trial(items, [guidance, dt], magnitude, seed).check(bench);
        });
        guidance_euler_trial([3, 17], [3.0, 0.1], 1.0, 1).check_tiny(bench);
        guidance_euler_trial([3, 17], [3.0, 0.1], 1.0, 1).poison(bench);
        let (velocity, x) = (bench.output(12), bench.output(6));
        let launch = GuidanceEuler { velocity: &velocity, x: &x, guidance: 1.0, dt: 0.1, batch: 2, size: 3 };
        refuses_buffers!(bench, launch, GuidanceEuler { velocity, x });
        refuses_sizes(bench, |stream, x, [batch, size]| {
            GuidanceEuler { velocity: x, x, guidance: 1.0, dt: 0.1, batch, size }.launch(stream)
        });
    });
}

fn euler_trial(len: usize, dt: f32, magnitude: f32, seed: u64) -> Trial {
    let mut values = Values::new(seed);
    Trial::new(format!("euler ({len}), dt {dt}"))
        .reads("velocity", values.normal(len))
        .changes("x", values.normal(len), Tolerance::ROUNDING)
        .launch(move |bench, b| Euler { velocity: &b[0], x: &b[1], dt }.launch(&mut bench.stream))
        .oracle(move |a| vec![oracle::euler(&a[0], &a[1], dt)])
        .scaled(magnitude, &["velocity", "x"], 1)
}

#[test]
pub fn euler() {
    for_kernel("euler", |bench| {
        for len in LENGTHS.into_iter().chain([10 * 784, 64 * 784]) {
            euler_trial(len, -0.375, 1.0, len as u64).check(bench);
        }
        let arguments = (size(5000), -1.0_f32..1.0, magnitude(), seed());
        random_cases(bench, 32, arguments, |bench, (len, dt, magnitude, seed)| {
            euler_trial(len, dt, magnitude, seed).check(bench);
        });
        euler_trial(131, 0.02, 1.0, 1).check_tiny(bench);
        euler_trial(131, 0.02, 1.0, 1).poison(bench);
        let x = bench.output(6);
        refuses_buffers!(bench, Euler { velocity: &x, x: &x, dt: 0.1 }, Euler { velocity, x });
    });
}
