//! Group F.

use kernels::{Euler, FlowPoint, GuidanceEuler, Mse, MseBackward};
use proptest::prelude::*;
use tests::harness::{Tolerance, Values, for_kernel};
use tests::oracle::flow as oracle;

use super::presets::{BATCHES, presets};
use super::random::{magnitude, random_cases, seed, size};
use super::refusals::{refuses_buffers, refuses_sizes};
use super::trial::Trial;
use super::{FOLDED, LENGTHS};

/// B and the elements of an item.
const ITEMS: [[usize; 2]; 10] =
    [[1, 1], [3, 1], [1, 5], [2, 63], [7, 64], [5, 65], [64, 196], [3, 784], [13, 1021], [2, FOLDED.div_ceil(2)]];

fn items() -> impl Iterator<Item = [usize; 2]> {
    ITEMS.into_iter().chain(presets().into_iter().zip(BATCHES).map(|(config, batch)| [batch, config.image_size()]))
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

fn flow_point_trial([batch, size]: [usize; 2], magnitude: f32, seed: u64) -> Trial {
    let (mut values, len) = (Values::new(seed), batch * size);
    Trial::new(format!("flow_point ({batch}, {size})"))
        .reads("data", values.normal(len))
        .reads("noise", values.normal(len))
        .reads("time", times(batch))
        .writes("out_point", len, Tolerance::ROUNDING)
        .writes("out_velocity", len, Tolerance::ROUNDING)
        .launch(move |bench, b| {
            let [data, noise, time, out_point, out_velocity] = b else { panic!("five buffers") };
            FlowPoint { data, noise, time, out_point, out_velocity, batch, size }.launch(&mut bench.stream)
        })
        .oracle(move |a| {
            let (point, velocity) = oracle::flow_point(&a[0], &a[1], &a[2], size);
            vec![point, velocity]
        })
        .scaled(magnitude, &["data", "noise"], 1)
}

#[test]
pub fn flow_point() {
    for_kernel("flow_point", |bench| {
        for items in items() {
            flow_point_trial(items, 1.0, items[1] as u64).check(bench);
        }
        random_cases(bench, 32, (random_items(), magnitude(), seed()), |bench, (items, magnitude, seed)| {
            flow_point_trial(items, magnitude, seed).check(bench);
        });
        flow_point_trial([4, 17], 1.0, 1).check_tiny(bench);
        flow_point_trial([4, 17], 1.0, 1).poison(bench);
        let (x, time) = (bench.output(6), bench.output(2));
        let launch = FlowPoint { data: &x, noise: &x, time: &time, out_point: &x, out_velocity: &x, batch: 2, size: 3 };
        refuses_buffers!(bench, launch, FlowPoint { data, noise, time, out_point, out_velocity });
        refuses_sizes(bench, |stream, x, [batch, size]| {
            FlowPoint { data: x, noise: x, time: x, out_point: x, out_velocity: x, batch, size }.launch(stream)
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
