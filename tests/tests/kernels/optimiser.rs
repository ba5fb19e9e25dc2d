//! Group O.

use kernels::{AdamW, GradientClip, SumOfSquares};
use tests::harness::{Bench, Tolerance, Values, for_kernel};
use tests::oracle::optimiser as oracle;

use super::{LENGTHS, expect_refusal};

#[test]
pub fn sum_of_squares() {
    let tolerance = Tolerance::new(0.0, 1e-5, "the terms are positive: errors stay a small part of the sum");
    for_kernel("sum_of_squares", |bench| {
        for len in LENGTHS {
            for partials in [1, 2, 63, 64, 65, 256, 1021] {
                if len / partials > 100_000 {
                    continue; // a plain sum so long rounds too coarsely
                }
                let values = Values::new(len as u64).normal(len);
                let (x, out) = (bench.upload(&values), bench.output(partials));
                SumOfSquares { x: &x, partials: &out }.launch(&mut bench.stream).unwrap();
                let total: f64 = bench.read::<f32>(&out).into_iter().map(f64::from).sum();
                let case = format_args!("the total of sum_of_squares ({len}) in {partials}");
                let total = bench.upload(&[total as f32]);
                bench.expect(case, &total, &[oracle::sum_of_squares(&values)], tolerance);
            }
        }
        let (x, empty) = (bench.output(3), bench.output(0));
        expect_refusal(SumOfSquares { x: &empty, partials: &x }.launch(&mut bench.stream), "squares of nothing");
        expect_refusal(SumOfSquares { x: &x, partials: &empty }.launch(&mut bench.stream), "no partial sums");
    });
}

#[test]
pub fn gradient_clip() {
    let tolerance = Tolerance::new(0.0, 1e-5, "the norm of positive terms, and a root that GPUs round to 3e-7 of it");
    let clip = |bench: &mut Bench, partials: &[f32], max_norm: f32| {
        let (on_device, out) = (bench.upload(partials), bench.output(2));
        GradientClip { partials: &on_device, out: &out, max_norm }.launch(&mut bench.stream).unwrap();
        out
    };
    for_kernel("gradient_clip", |bench| {
        for len in [1, 2, 63, 64, 65, 256, 1021] {
            let partials = Values::new(len as u64).uniform(0.0, 2.0, len);
            for max_norm in [1e-3, 0.5, 1e4, f32::INFINITY] {
                let out = clip(bench, &partials, max_norm);
                let want = oracle::gradient_clip(&partials, max_norm);
                bench.expect(format_args!("gradient_clip ({len}), max_norm {max_norm}"), &out, &want, tolerance);
            }
        }
        let out = clip(bench, &[0.0; 5], 1.0);
        bench.expect("gradient_clip of nothing", &out, &[0.0, 1.0], Tolerance::EXACT);
        for bad in [f32::NAN, f32::INFINITY] {
            for place in [0, 1, 64, 69] {
                let mut partials = vec![1.0; 70];
                partials[place] = bad;
                let out = clip(bench, &partials, 1.0);
                let [norm, factor] = bench.read::<f32>(&out)[..] else { panic!("two words were written") };
                assert!(
                    !norm.is_finite() && factor == 0.0,
                    "{}: {bad} gives the norm {norm}, the factor {factor}",
                    bench.device
                );
            }
        }
        let (partials, out) = (bench.output(3), bench.output(2));
        refuses_buffers!(bench, GradientClip { partials: &partials, out: &out, max_norm: 1.0 }, GradientClip { out });
        let empty = bench.output(0);
        let launch = GradientClip { partials: &empty, out: &out, max_norm: 1.0 };
        expect_refusal(launch.launch(&mut bench.stream), "the norm of nothing");
    });
}

/// What AdamW reads and writes, on the host.
struct State {
    gradients: Vec<f32>,
    parameters: Vec<f32>,
    first: Vec<f32>,
    second: Vec<f32>,
    average: Vec<f32>,
}

impl State {
    fn new(len: usize) -> Self {
        let mut values = Values::new(len as u64);
        // Some are zero, and in some epsilon counts as much as the second moment.
        let scale = |values: Vec<f32>, factor: f32| values.iter().map(|value| factor * value).collect::<Vec<f32>>();
        let gradients = scale(values.spread(len), 1e-3);
        // The first moment has the gradient's sign, lest the sum of the two cancel.
        let first = scale(values.spread(len), 1e-3).iter().zip(&gradients).map(|(m, g)| m.copysign(*g)).collect();
        let second = scale(values.spread(len), 1e-3).iter().map(|root| root * root).collect();
        Self { gradients, parameters: values.normal(len), first, second, average: values.normal(len) }
    }
}

fn adamw_case(bench: &mut Bench, len: usize, clip: [f32; 2], settings: &oracle::AdamW) {
    let oracle::AdamW { rate, beta1, beta2, epsilon, weight_decay, step, decay } = *settings;
    let state = State::new(len);
    let gradients = bench.upload(&state.gradients);
    let [parameters, first, second, average] =
        [&state.parameters, &state.first, &state.second, &state.average].map(|values| bench.upload(values));
    AdamW {
        gradients: &gradients,
        clip: &bench.upload(&clip),
        parameters: &parameters,
        first: &first,
        second: &second,
        average: &average,
        step: step as u32,
        rate,
        beta1,
        beta2,
        epsilon,
        weight_decay,
        decay,
    }
    .launch(&mut bench.stream)
    .unwrap();
    let update = |i: usize| {
        let [parameter, first, second, average] =
            [&state.parameters, &state.first, &state.second, &state.average].map(|values| f64::from(values[i]));
        let before = oracle::Weight { parameter, first, second, average };
        if clip[1] == 0.0 {
            before
        } else {
            settings.update(before, f64::from(state.gradients[i]) * f64::from(clip[1]))
        }
    };
    let after: Vec<oracle::Weight> = (0..len).map(update).collect();
    let mut expect = |name: &str, buffer, of: fn(&oracle::Weight) -> f64, absolute: f64| {
        let want: Vec<f64> = after.iter().map(of).collect();
        let tolerance = if clip[1] == 0.0 {
            Tolerance::EXACT
        } else {
            Tolerance::new(absolute, 2e-6, "a few roundings; parameters near 1 may lose most of their size in a step")
        };
        bench.expect(format_args!("{name} of adamw ({len}), clip {clip:?}, {settings:?}"), buffer, &want, tolerance);
    };
    expect("parameters", &parameters, |weight| weight.parameter, 5e-6);
    expect("average", &average, |weight| weight.average, 5e-6);
    expect("first", &first, |weight| weight.first, 0.0);
    expect("second", &second, |weight| weight.second, 0.0);
}

#[test]
pub fn adamw() {
    let usual =
        oracle::AdamW { rate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-4, weight_decay: 0.3, step: 1, decay: 0.75 };
    for_kernel("adamw", |bench| {
        for len in LENGTHS {
            adamw_case(bench, len, [2.0, 0.5], &usual);
        }
        adamw_case(bench, 1021, [2.0, 0.5], &oracle::AdamW { step: 7, ..usual });
        adamw_case(
            bench,
            1021,
            [0.1, 1.0],
            &oracle::AdamW { step: 100_000, weight_decay: 0.0, epsilon: 1e-8, ..usual },
        );
        adamw_case(bench, 1021, [0.1, 1.0], &oracle::AdamW { beta1: 0.0, beta2: 0.95, decay: 0.0, ..usual });
        for norm in [f32::NAN, f32::INFINITY] {
            adamw_case(bench, 1021, [norm, 0.0], &usual);
        }

        let (x, clip) = (bench.output(3), bench.output(2));
        let launch = AdamW {
            gradients: &x,
            clip: &clip,
            parameters: &x,
            first: &x,
            second: &x,
            average: &x,
            step: 1,
            rate: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            weight_decay: 0.0,
            decay: 0.9,
        };
        refuses_buffers!(bench, launch, AdamW { gradients, clip, parameters, first, second, average });
    });
}
