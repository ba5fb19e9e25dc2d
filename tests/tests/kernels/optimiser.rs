//! Group O.

use kernels::{AdamW, GradientClip, SumOfSquares};
use proptest::prelude::*;
use runtime::{Buffer, Stream};
use tests::harness::{Bench, Tolerance, Values, for_kernel};
use tests::oracle::optimiser as oracle;

use super::presets::presets;
use super::random::{magnitude, random_cases, seed, size};
use super::refusals::{expect_refusal, refuses_buffers};
use super::trial::Trial;
use super::{FOLDED, LENGTHS};

/// The parameters of each preset, which are one arena.
fn arenas() -> [usize; 3] {
    presets().map(|config| config.parameters().iter().map(|parameter| parameter.shape.iter().product::<usize>()).sum())
}

fn squares(bench: &mut Bench, values: &[f32], partials: usize) -> Vec<f32> {
    let (x, out) = (bench.upload(values), bench.output(partials));
    SumOfSquares { x: &x, partials: &out }.launch(&mut bench.stream).unwrap();
    bench.read(&out)
}

fn sum_of_squares_case(bench: &mut Bench, len: usize, partials: usize, magnitude: f32, seed: u64) {
    let values: Vec<f32> = Values::new(seed).normal(len).iter().map(|value| magnitude * value).collect();
    let total: f64 = squares(bench, &values, partials).into_iter().map(f64::from).sum();
    let tolerance = Tolerance::new(0.0, 1e-5, "the terms are positive: errors stay a small part of the sum");
    let case = format_args!("the total of sum_of_squares ({len}) in {partials}, magnitude {magnitude:e}");
    let total = bench.upload(&[total as f32]);
    bench.expect(case, &total, &[oracle::sum_of_squares(&values)], tolerance);
}

#[test]
pub fn sum_of_squares() {
    for_kernel("sum_of_squares", |bench| {
        for len in LENGTHS {
            for partials in [1, 2, 63, 64, 65, 256, 1021] {
                // A plain sum longer than that rounds too coarsely.
                if len / partials <= 100_000 {
                    sum_of_squares_case(bench, len, partials, 1.0, len as u64);
                }
            }
        }
        for len in arenas() {
            sum_of_squares_case(bench, len, 1024, 1.0, 1);
        }
        let arguments = (size(5000), size(300), magnitude(), seed());
        random_cases(bench, 32, arguments, |bench, (len, partials, magnitude, seed)| {
            sum_of_squares_case(bench, len, partials, magnitude, seed);
        });
        for value in [0.0, -0.0, 1e-39, -1e-30] {
            let partials = squares(bench, &[value; 131], 3);
            assert!(partials.iter().all(|sum| *sum == 0.0), "{}: squares of {value}: {partials:?}", bench.device);
        }
        // What is not finite stays so, and in one sum.
        let values = Values::new(1).normal(1021);
        let clean = squares(bench, &values, 7);
        for place in [0, 1, 510, 1020] {
            for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
                let mut values = values.clone();
                values[place] = bad;
                let partials = squares(bench, &values, 7);
                let mut changed = partials.iter().zip(&clean).filter(|(sum, clean)| sum.to_bits() != clean.to_bits());
                let (Some((sum, _)), None) = (changed.next(), changed.next()) else {
                    panic!("{}: {bad} at {place} is in none of the sums, or in several: {partials:?}", bench.device)
                };
                assert!(!sum.is_finite(), "{}: {bad} at {place} is hidden by a sum of {sum}", bench.device);
            }
        }
        let (x, empty) = (bench.output(3), bench.output(0));
        let nothing = SumOfSquares { x: &empty, partials: &x }.launch(&mut bench.stream);
        expect_refusal(nothing, "squares of nothing", &["[0]", "empty"]);
        let nowhere = SumOfSquares { x: &x, partials: &empty }.launch(&mut bench.stream);
        expect_refusal(nowhere, "no partial sums", &["[0]", "empty"]);
    });
}

fn gradient_clip_trial(len: usize, max_norm: f32, magnitude: f32, seed: u64) -> Trial {
    let tolerance = Tolerance::new(0.0, 1e-5, "the norm of positive terms, and a root that GPUs round to 3e-7 of it");
    Trial::new(format!("gradient_clip ({len}), max_norm {max_norm}"))
        .reads("partials", Values::new(seed).uniform(0.0, 2.0, len))
        .writes("out", 2, tolerance)
        .launch(move |bench, b| GradientClip { partials: &b[0], out: &b[1], max_norm }.launch(&mut bench.stream))
        .oracle(move |a| vec![oracle::gradient_clip(&a[0], max_norm).to_vec()])
        .scaled(magnitude, &["partials"], 0)
}

#[test]
pub fn gradient_clip() {
    for_kernel("gradient_clip", |bench| {
        for len in [1, 2, 63, 64, 65, 256, 1021, 1024] {
            for max_norm in [1e-3, 0.5, 1e4, f32::INFINITY] {
                gradient_clip_trial(len, max_norm, 1.0, len as u64).check(bench);
            }
        }
        let arguments = (size(1500), prop_oneof![1e-3_f32..100.0, Just(f32::INFINITY)], magnitude(), seed());
        random_cases(bench, 32, arguments, |bench, (len, max_norm, magnitude, seed)| {
            gradient_clip_trial(len, max_norm, magnitude, seed).check(bench);
        });
        let none = Tolerance::new(0.0, 1e-5, "as for other values");
        for zero in [0.0, -0.0] {
            gradient_clip_trial(70, 1.0, 1.0, 1).with_values("zeros", none, |_, _| zero).check(bench);
        }
        // Numbers too small for a normal float: the norm may be zero, but nothing is clipped.
        let partials = bench.upload(&[1e-39_f32; 70]);
        let out = bench.output(2);
        GradientClip { partials: &partials, out: &out, max_norm: 1.0 }.launch(&mut bench.stream).unwrap();
        bench.expect(
            "gradient_clip of denormals",
            &out,
            &oracle::gradient_clip(&[1e-39; 70], 1.0),
            Tolerance::new(3e-19, 0.0, "devices may take numbers below 1.2e-38 for zero, and the norm is their root"),
        );
        // The norm is not finite, and the factor says that the step is to be skipped.
        gradient_clip_trial(70, 1.0, 1.0, 1).poison(bench);
        let (partials, out) = (bench.output(3), bench.output(2));
        refuses_buffers!(bench, GradientClip { partials: &partials, out: &out, max_norm: 1.0 }, GradientClip { out });
        let empty = bench.output(0);
        let launch = GradientClip { partials: &empty, out: &out, max_norm: 1.0 };
        expect_refusal(launch.launch(&mut bench.stream), "the norm of nothing", &["[0]", "empty"]);
        for max_norm in [0.0, -1.0, f32::NAN] {
            let launch = GradientClip { partials: &partials, max_norm, ..launch };
            expect_refusal(launch.launch(&mut bench.stream), "no norm to clip at", &[&max_norm.to_string()]);
        }
    });
}

type LaunchAdamW = fn(&AdamW<'_>, &mut Stream) -> runtime::Result<()>;

fn adamw_trial(launch: LaunchAdamW, len: usize, clip: [f32; 2], settings: oracle::AdamW, seed: u64) -> Trial {
    let mut values = Values::new(seed);
    // Some are zero, and in some epsilon counts as much as the second moment.
    let scale = |values: Vec<f32>, factor: f32| values.iter().map(|value| factor * value).collect::<Vec<f32>>();
    let gradients = scale(values.spread(len), 1e-3);
    // The first moment has the gradient's sign, lest the sum of the two cancel.
    let first = scale(values.spread(len), 1e-3).iter().zip(&gradients).map(|(m, g)| m.copysign(*g)).collect();
    let second = scale(values.spread(len), 1e-3).iter().map(|root| root * root).collect();
    let (near_one, exact) = if clip[1] == 0.0 {
        (Tolerance::EXACT, Tolerance::EXACT)
    } else {
        let reason = "a few roundings; parameters near 1 may lose most of their size in a step";
        (Tolerance::new(5e-6, 2e-6, reason), Tolerance::new(0.0, 2e-6, reason))
    };
    let oracle::AdamW { rate, beta1, beta2, epsilon, weight_decay, step, decay } = settings;
    Trial::new(format!("adamw ({len}), clip {clip:?}, {settings:?}"))
        .reads("gradients", gradients)
        .reads("clip", clip.to_vec())
        .changes("parameters", values.normal(len), near_one)
        .changes("first", first, exact)
        .changes("second", second, exact)
        .changes("average", values.normal(len), near_one)
        .launch(move |bench, b| {
            let [gradients, clip, parameters, first, second, average] = b else { panic!("six buffers") };
            let adamw = AdamW {
                gradients,
                clip,
                parameters,
                first,
                second,
                average,
                step: step as u32,
                rate,
                beta1,
                beta2,
                epsilon,
                weight_decay,
                decay,
            };
            launch(&adamw, &mut bench.stream)
        })
        .oracle(move |a| {
            let factor = a[1][1];
            let update = |i: usize| {
                let [parameter, first, second, average] = [2, 3, 4, 5].map(|array| f64::from(a[array][i]));
                let before = oracle::Weight { parameter, first, second, average };
                // The factor of a step that is to be skipped.
                if factor == 0.0 { before } else { settings.update(before, f64::from(a[0][i]) * f64::from(factor)) }
            };
            let after: Vec<oracle::Weight> = (0..len).map(update).collect();
            let of = |part: fn(&oracle::Weight) -> f64| after.iter().map(part).collect();
            vec![of(|w| w.parameter), of(|w| w.first), of(|w| w.second), of(|w| w.average)]
        })
}

const USUAL: oracle::AdamW =
    oracle::AdamW { rate: 0.1, beta1: 0.9, beta2: 0.999, epsilon: 1e-4, weight_decay: 0.3, step: 1, decay: 0.75 };

fn settings() -> impl Strategy<Value = oracle::AdamW> {
    let momenta = (0.0_f32..0.99, 0.9_f32..0.9999);
    (1e-5_f32..0.1, momenta, 1e-6_f32..1e-3, 0.0_f32..0.5, 1..100_000_i32, 0.0_f32..=1.0).prop_map(
        |(rate, (beta1, beta2), epsilon, weight_decay, step, decay)| oracle::AdamW {
            rate,
            beta1,
            beta2,
            epsilon,
            weight_decay,
            step,
            decay,
        },
    )
}

/// An invocation has `each` elements: a launch of so many times more is folded.
fn adamw_cases(bench: &mut Bench, launch: LaunchAdamW, each: usize) {
    let [tiny, small, _] = arenas(); // the largest would be the same again, at length
    let lengths = LENGTHS.map(|len| if len == FOLDED { 65_535 * 64 * each + 77 } else { len });
    for len in lengths.into_iter().chain([tiny, small]) {
        adamw_trial(launch, len, [2.0, 0.5], USUAL, len as u64).check(bench);
    }
    let late = oracle::AdamW { step: 100_000, weight_decay: 0.0, epsilon: 1e-8, ..USUAL };
    for (clip, settings) in [
        ([2.0, 0.5], oracle::AdamW { step: 7, ..USUAL }),
        ([0.1, 1.0], late),
        ([0.1, 1.0], oracle::AdamW { beta1: 0.0, beta2: 0.95, decay: 0.0, ..USUAL }),
        ([f32::NAN, 0.0], USUAL),
        ([f32::INFINITY, 0.0], USUAL),
    ] {
        adamw_trial(launch, 1021, clip, settings, 1021).check(bench);
    }
    let arguments = (size(3000), 1e-3_f32..1.0, settings(), seed());
    random_cases(bench, 32, arguments, |bench, (len, factor, settings, seed)| {
        adamw_trial(launch, len, [1.0, factor], settings, seed).check(bench);
    });
    // Zeros, and gradients, moments and parameters too small for a normal float.
    let tiny = |value: f32| {
        move |name: &str, i: usize| match name {
            "clip" => 1.0,
            "second" => value,
            _ => {
                if i.is_multiple_of(2) {
                    value
                } else {
                    -value
                }
            }
        }
    };
    let flushed = Tolerance::new(1e-33, 0.0, "devices may take numbers below 1.2e-38 for zero");
    adamw_trial(launch, 131, [1.0, 1.0], USUAL, 1).with_values("zeros", flushed, tiny(0.0)).check(bench);
    adamw_trial(launch, 131, [1.0, 1.0], USUAL, 1).with_values("denormals", flushed, tiny(1e-39)).check(bench);
    // A gradient that is not finite spoils its own parameter, and none where the step is skipped.
    adamw_trial(launch, 131, [2.0, 0.5], USUAL, 1).poison(bench);
    for place in [0, 64, 130] {
        let poisoned = |bad: f32| {
            move |name: &str, i: usize| match name {
                "gradients" if i == place => bad,
                "clip" => [f32::NAN, 0.0][i],
                _ => 0.5 + i as f32,
            }
        };
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            adamw_trial(launch, 131, [f32::NAN, 0.0], USUAL, 1)
                .with_values(&format!("{bad} among the gradients"), Tolerance::EXACT, poisoned(bad))
                .check(bench);
        }
    }
}

/// A launch to be refused: every array is `x`.
fn all_of<'a>(x: &'a Buffer, clip: &'a Buffer) -> AdamW<'a> {
    AdamW {
        gradients: x,
        clip,
        parameters: x,
        first: x,
        second: x,
        average: x,
        step: 1,
        rate: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        decay: 0.9,
    }
}

#[test]
pub fn adamw() {
    for_kernel("adamw", |bench| {
        adamw_cases(bench, |adamw, stream| adamw.launch_portable(stream), 4);
        let (x, clip) = (bench.output(3), bench.output(2));
        let launch = all_of(&x, &clip);
        refuses_buffers!(bench, launch, AdamW { gradients, clip, parameters, first, second, average });
    });
}

#[test]
pub fn adamw_pairs() {
    for_kernel("adamw_pairs", |bench| {
        if bench.has_wide_integers() {
            adamw_cases(bench, |adamw, stream| adamw.launch_pairs(stream), 8);
            return;
        }
        let (x, clip) = (bench.output(3), bench.output(2));
        let launched = all_of(&x, &clip).launch_pairs(&mut bench.stream);
        expect_refusal(launched, "an adapter without wide integers", &["integers of 64 bits"]);
    });
}
