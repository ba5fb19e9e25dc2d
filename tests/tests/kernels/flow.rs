//! Group F.

use kernels::{Euler, FlowPoint, GuidanceEuler, Mse, MseBackward};
use tests::harness::{Tolerance, Values, for_kernel};
use tests::oracle::flow as oracle;

use super::{FOLDED, LENGTHS};

/// B and the elements of an item.
const ITEMS: [[usize; 2]; 10] =
    [[1, 1], [3, 1], [1, 5], [2, 63], [7, 64], [5, 65], [64, 196], [3, 784], [13, 1021], [2, FOLDED.div_ceil(2)]];

/// Times with both ends among them.
fn times(batch: usize) -> Vec<f32> {
    let mut times = Values::new(batch as u64).uniform(0.0, 1.0, batch);
    if batch > 2 {
        (times[0], times[1]) = (0.0, 1.0);
    }
    times
}

#[test]
pub fn flow_point() {
    for_kernel("flow_point", |bench| {
        for [batch, size] in ITEMS {
            let (mut values, len) = (Values::new(size as u64), batch * size);
            let (images, noises, times) = (values.normal(len), values.normal(len), times(batch));
            let (data, noise, time) = (bench.upload(&images), bench.upload(&noises), bench.upload(&times));
            let (out_point, out_velocity) = (bench.output(len), bench.output(len));
            FlowPoint {
                data: &data,
                noise: &noise,
                time: &time,
                out_point: &out_point,
                out_velocity: &out_velocity,
                batch,
                size,
            }
            .launch(&mut bench.stream)
            .unwrap();
            let (point, velocity) = oracle::flow_point(&images, &noises, &times, size);
            let case = format!("flow_point ({batch}, {size})");
            bench.expect(format_args!("out_point of {case}"), &out_point, &point, Tolerance::ROUNDING);
            bench.expect(format_args!("out_velocity of {case}"), &out_velocity, &velocity, Tolerance::ROUNDING);
        }
        let (x, time) = (bench.output(6), bench.output(2));
        let launch = FlowPoint { data: &x, noise: &x, time: &time, out_point: &x, out_velocity: &x, batch: 2, size: 3 };
        refuses_buffers!(bench, launch, FlowPoint { data, noise, time, out_point, out_velocity });
    });
}

#[test]
pub fn mse() {
    let tolerance = Tolerance::new(0.0, 5e-6, "the terms are positive; each of 64 lanes adds few");
    for_kernel("mse", |bench| {
        // In place of a long item, more items than a row of workgroups takes.
        for [batch, size] in ITEMS.iter().copied().filter(|[_, size]| *size < 10_000).chain([[70_001, 2]]) {
            let (mut values, len) = (Values::new(size as u64), batch * size);
            let (predictions, targets) = (values.normal(len), values.normal(len));
            let (prediction, target, out) = (bench.upload(&predictions), bench.upload(&targets), bench.output(batch));
            Mse { prediction: &prediction, target: &target, out: &out, batch, size }.launch(&mut bench.stream).unwrap();
            bench.expect(
                format_args!("mse ({batch}, {size})"),
                &out,
                &oracle::mse(&predictions, &targets, size),
                tolerance,
            );
        }
        let (x, out) = (bench.output(6), bench.output(2));
        let launch = Mse { prediction: &x, target: &x, out: &out, batch: 2, size: 3 };
        refuses_buffers!(bench, launch, Mse { prediction, target, out });
    });
}

#[test]
pub fn mse_backward() {
    let tolerance = Tolerance::new(0.0, 1e-6, "a handful of roundings of one product");
    for_kernel("mse_backward", |bench| {
        for [batch, size] in ITEMS {
            let (mut values, len) = (Values::new(size as u64), batch * size);
            let (predictions, targets) = (values.spread(len), values.spread(len));
            let (prediction, target) = (bench.upload(&predictions), bench.upload(&targets));
            let (upstream, out) = (bench.upload(&[-0.7_f32]), bench.output(len));
            MseBackward { prediction: &prediction, target: &target, upstream: &upstream, out: &out, batch, size }
                .launch(&mut bench.stream)
                .unwrap();
            let want = oracle::mse_backward(&predictions, &targets, -0.7);
            bench.expect(format_args!("mse_backward ({batch}, {size})"), &out, &want, tolerance);
        }
        let (x, upstream) = (bench.output(6), bench.output(1));
        let launch = MseBackward { prediction: &x, target: &x, upstream: &upstream, out: &x, batch: 2, size: 3 };
        refuses_buffers!(bench, launch, MseBackward { prediction, target, upstream, out });
    });
}

#[test]
pub fn guidance_euler() {
    let tolerance = Tolerance::new(5e-6, 1e-6, "guidance multiplies the velocities' difference, which is near 4 here");
    for_kernel("guidance_euler", |bench| {
        for ([batch, size], [guidance, dt]) in ITEMS.iter().zip([[1.0, 0.02], [4.5, 0.3], [0.0, -0.125]].iter().cycle())
        {
            let (mut values, len) = (Values::new(*size as u64), batch * size);
            let (velocities, before) = (values.normal(2 * len), values.normal(len));
            let (velocity, x) = (bench.upload(&velocities), bench.upload(&before));
            let (guidance, dt, batch, size) = (*guidance, *dt, *batch, *size);
            GuidanceEuler { velocity: &velocity, x: &x, guidance, dt, batch, size }.launch(&mut bench.stream).unwrap();
            let want = oracle::guidance_euler(&velocities, &before, guidance, dt);
            let case = format_args!("guidance_euler ({batch}, {size}), guidance {guidance}, dt {dt}");
            bench.expect(case, &x, &want, tolerance);
        }
        let (velocity, x) = (bench.output(12), bench.output(6));
        let launch = GuidanceEuler { velocity: &velocity, x: &x, guidance: 1.0, dt: 0.1, batch: 2, size: 3 };
        refuses_buffers!(bench, launch, GuidanceEuler { velocity, x });
    });
}

#[test]
pub fn euler() {
    for_kernel("euler", |bench| {
        for len in LENGTHS {
            let mut values = Values::new(len as u64);
            let (velocities, before) = (values.normal(len), values.normal(len));
            let (velocity, x) = (bench.upload(&velocities), bench.upload(&before));
            Euler { velocity: &velocity, x: &x, dt: -0.375 }.launch(&mut bench.stream).unwrap();
            let want = oracle::euler(&velocities, &before, -0.375);
            bench.expect(format_args!("euler ({len})"), &x, &want, Tolerance::ROUNDING);
        }
        let x = bench.output(6);
        refuses_buffers!(bench, Euler { velocity: &x, x: &x, dt: 0.1 }, Euler { velocity, x });
    });
}
