//! Group N: attention and its gradient.

use kernels::{Attention, AttentionBackward, Heads};
use proptest::prelude::*;
use runtime::{Buffer, Result, Stream};
use tests::harness::{Bench, Tolerance, Values, for_kernel};
use tests::oracle::{narrow, network as oracle};

use super::presets::{FEW, presets};
use super::random::{random_cases, seed, size};
use super::refusals::{expect_refusal, refuses_buffers, refuses_sizes};
use super::trial::Trial;

/// B, T, H, Dh and what the values are multiplied with: 6 gives scores beyond what exp takes, unless
/// a large one is subtracted first, and 40 unless it is the largest.
const HEADS: [([usize; 4], f32); 12] = [
    ([2, 5, 2, 8], 40.0),
    ([1, 1, 1, 4], 1.0),
    ([3, 1, 2, 8], 100.0),
    ([2, 3, 2, 4], 1.0),
    ([1, 7, 3, 8], 6.0),
    ([3, 17, 5, 4], 1.0),
    ([2, 50, 3, 12], 1.0),
    ([1, 64, 2, 32], 6.0),
    ([2, 65, 2, 16], 1.0),
    ([1, 97, 1, 128], 1.0),
    ([1, 196, 4, 64], 1.0),
    ([1, 1300, 1, 4], 1.0),
];

fn cases() -> impl Iterator<Item = (oracle::Attention, f32)> {
    let of_presets = presets().into_iter().flat_map(|config| {
        let shape = [FEW, config.tokens(), config.heads, config.width / config.heads];
        [(shape, 1.0), (shape, 6.0)]
    });
    HEADS.into_iter().chain(of_presets).map(|(shape, magnitude)| (shape_of(shape), magnitude))
}

fn random_heads() -> impl Strategy<Value = (oracle::Attention, f32, u64)> {
    let magnitude = proptest::sample::select(vec![1.0_f32, 1e-4, 6.0]);
    (size(3), size(130), size(4), 1..=16_usize, magnitude, seed())
        .prop_map(|(b, t, h, quads, magnitude, seed)| (shape_of([b, t, h, 4 * quads]), magnitude, seed))
}

fn shape_of([batch, tokens, heads, head_dim]: [usize; 4]) -> oracle::Attention {
    oracle::Attention { batch, tokens, heads, head_dim }
}

const SMALL_HEADS: Heads = Heads { batch: 2, tokens: 3, heads: 2, head_dim: 4 };

fn heads_of(shape: &oracle::Attention) -> Heads {
    let oracle::Attention { batch, tokens, heads, head_dim } = *shape;
    Heads { batch, tokens, heads, head_dim }
}

fn scaled(values: Vec<f32>, magnitude: f32) -> Vec<f32> {
    values.iter().map(|value| magnitude * value).collect()
}

fn attention_tolerance(magnitude: f32, factor: f64) -> Tolerance {
    let relative = if magnitude > 1.0 { 1e-4 } else { 5e-6 };
    let reason = "scores near 1 are good to 1e-6, and large ones to 2e-7 of themselves, which is then the relative \
                  error of what exp makes of them; times a sum that is as large as the values";
    Tolerance::new(relative * factor, relative, reason)
}

/// The kernels that compute the same.
#[derive(Clone, Copy)]
struct Variant {
    forward: fn(&Attention<'_>, &mut Stream) -> Result<()>,
    backward: fn(&AttentionBackward<'_>, &mut Stream) -> Result<()>,
}

const PORTABLE: Variant = Variant {
    forward: |launch, stream| launch.launch_portable(stream),
    backward: |launch, stream| launch.launch_portable(stream),
};

const SUBGROUP: Variant = Variant {
    forward: |launch, stream| launch.launch_subgroup(stream),
    backward: |launch, stream| launch.launch_subgroup(stream),
};

/// Many tokens, and tokens and columns of a head that fill no tile.
const LONG: [[usize; 4]; 4] = [[1, 1500, 1, 8], [1, 257, 2, 12], [2, 49, 2, 128], [1, 33, 2, 76]];

fn attention_trial(variant: Variant, shape: oracle::Attention, magnitude: f32, seed: u64) -> Trial {
    let rows = shape.batch * shape.tokens;
    let log_sum = Tolerance::new(5e-6, 2e-6, "the largest score is added exactly; the logarithm of a sum of roundings");
    let values = Values::new(seed).normal(rows * 3 * shape.width());
    Trial::new(format!("attention {shape:?}, magnitude {magnitude}"))
        .reads("qkv", scaled(values, magnitude))
        .writes("out", rows * shape.width(), attention_tolerance(magnitude, f64::from(magnitude)))
        .writes("log_sum", rows * shape.heads, log_sum)
        .launch(move |bench, b| {
            let launch = Attention { qkv: &b[0], out: &b[1], log_sum: &b[2], heads: heads_of(&shape) };
            (variant.forward)(&launch, &mut bench.stream)
        })
        .oracle(move |a| {
            let (out, log_sum) = shape.forward(&a[0]);
            vec![out, log_sum]
        })
}

/// Scores of ten thousand: all the same, either sign, and one above all others.
fn huge_scores(bench: &mut Bench, variant: Variant) {
    const SHAPE: [usize; 4] = [2, 19, 2, 8];
    let shape = shape_of(SHAPE);
    let width = shape.width();
    let none = Tolerance::new(0.0, 0.0, "as for other values: the weights are exact, or the same");
    // Eight products of 1e4, over the root of 8: 2.8e4.
    for (what, key) in [("all scores 2.8e4", 100.0), ("all scores -2.8e4", -100.0), ("all scores 0", 0.0)] {
        attention_trial(variant, shape, 1.0, 1)
            .with_values(what, none, |_, i| match i / width % 3 {
                0 => 100.0,
                1 => key,
                _ => (i % 7) as f32 - 3.0,
            })
            .check(bench);
    }
    attention_trial(variant, shape, 1.0, 1)
        .with_values("one score 2.8e4, the others -2.8e4", none, |_, i| {
            let token = i / (3 * width) % shape.tokens;
            match i / width % 3 {
                0 => 100.0,
                1 => {
                    if token == 5 {
                        100.0
                    } else {
                        -100.0
                    }
                }
                _ => (i % 7) as f32 - 3.0,
            }
        })
        .check(bench);
}

/// One head of a width of 4, to try numbers of tokens on.
fn one_head(bench: &mut Bench, tokens: usize) -> (Heads, [Buffer; 3]) {
    let heads = Heads { batch: 1, tokens, heads: 1, head_dim: 4 };
    (heads, [bench.output(tokens * 12), bench.output(tokens * 4), bench.output(tokens)])
}

/// Keys with scores of -∞ get no weight, also where they are the first that an invocation sees.
fn keys_beyond_reach(bench: &mut Bench, variant: Variant) {
    let shape = shape_of([1, 65, 2, 8]);
    let width = shape.width();
    let none = Tolerance::new(0.0, 0.0, "as for other values: they have no part in the sums");
    attention_trial(variant, shape, 1.0, 1)
        .with_values("the first 40 scores -∞", none, |_, i| {
            let (token, part) = (i / (3 * width), i / width % 3);
            match part {
                0 => 1.0 + (i % 5) as f32 / 8.0,
                1 if token < 40 && i % 8 == 3 => f32::NEG_INFINITY,
                _ => (i % 7) as f32 / 4.0 - 0.75,
            }
        })
        .check(bench);
}

fn attention_values(bench: &mut Bench, variant: Variant) {
    keys_beyond_reach(bench, variant);
    for (shape, magnitude) in cases() {
        attention_trial(variant, shape, magnitude, shape.tokens as u64).check(bench);
    }
    random_cases(bench, 16, random_heads(), |bench, (shape, magnitude, seed)| {
        attention_trial(variant, shape, magnitude, seed).check(bench);
    });
    huge_scores(bench, variant);
    attention_trial(variant, shape_of([2, 19, 2, 8]), 1.0, 1).check_tiny(bench);
    attention_trial(variant, shape_of([2, 19, 2, 8]), 1.0, 1).poison(bench);
    attention_trial(variant, shape_of([2, 1, 1, 4]), 1.0, 1).poison(bench);
}

#[test]
pub fn attention_subgroup() {
    for_kernel("attention_subgroup", |bench| {
        let (heads, [qkv, out, log_sum]) = one_head(bench, 1);
        let launched = Attention { qkv: &qkv, out: &out, log_sum: &log_sum, heads }.launch_subgroup(&mut bench.stream);
        if let Some(missing) = bench.missing_for_pairs() {
            return expect_refusal(launched, "an adapter whose lanes share no pairs", &[missing]);
        }
        launched.unwrap();
        attention_values(bench, SUBGROUP);
        for shape in LONG.map(shape_of) {
            attention_trial(SUBGROUP, shape, 1.0, 1).check(bench);
        }
    });
}

#[test]
pub fn attention() {
    for_kernel("attention", |bench| {
        attention_values(bench, PORTABLE);
        for shape in LONG.map(shape_of) {
            attention_trial(PORTABLE, shape, 1.0, 1).check(bench);
        }

        let (qkv, out, log_sum) = (bench.output(2 * 3 * 24), bench.output(2 * 3 * 8), bench.output(2 * 2 * 3));
        let launch = Attention { qkv: &qkv, out: &out, log_sum: &log_sum, heads: SMALL_HEADS };
        refuses_buffers!(bench, launch, Attention { qkv, out, log_sum });
        for (heads, head_dim) in [(4, 2), (1, 9), (2, 0)] {
            let odd = Attention { heads: Heads { heads, head_dim, ..SMALL_HEADS }, ..launch };
            let said = format!("{head_dim} columns");
            expect_refusal(odd.launch(&mut bench.stream), format!("a head of {said}"), &[&said, "multiple of 4"]);
        }
        refuses_sizes(bench, |stream, x, [batch, tokens, heads, head_dim]| {
            Attention { qkv: x, out: x, log_sum: x, heads: Heads { batch, tokens, heads, head_dim } }.launch(stream)
        });
    });
}

/// What the forward pass leaves is taken from the oracle, and rounded.
fn attention_backward_trial(variant: Variant, shape: oracle::Attention, magnitude: f32, seed: u64) -> Trial {
    let mut random = Values::new(seed);
    let rows = shape.batch * shape.tokens;
    let qkv = scaled(random.normal(rows * 3 * shape.width()), magnitude);
    let upstream = random.normal(rows * shape.width());
    let (output, log_sum) = shape.forward(&qkv);
    // Gradients of scores are differences of dot products of √Dh · magnitude, and multiplied with
    // values of that magnitude.
    let factor = f64::from(magnitude).powi(2).max(f64::from(magnitude)) * (shape.head_dim as f64).sqrt();
    Trial::new(format!("attention_backward {shape:?}, magnitude {magnitude}"))
        .reads("qkv", qkv)
        .reads("output", narrow(&output))
        .reads("log_sum", narrow(&log_sum))
        .reads("upstream", upstream)
        .writes("out", rows * 3 * shape.width(), attention_tolerance(magnitude, factor.max(1.0)))
        .launch(move |bench, b| {
            let [qkv, output, log_sum, upstream, out] = b else { panic!("five buffers") };
            let launch = AttentionBackward { qkv, output, log_sum, upstream, out, heads: heads_of(&shape) };
            (variant.backward)(&launch, &mut bench.stream)
        })
        .oracle(move |a| vec![shape.backward_from(&a[0], &a[1], &a[2], &a[3])])
}

/// The same against the gradient that knows nothing of the forward pass's output.
fn attention_backward_alone(bench: &mut Bench, variant: Variant, shape: oracle::Attention, magnitude: f32) {
    attention_backward_trial(variant, shape, magnitude, shape.tokens as u64)
        .oracle(move |a| vec![shape.backward(&a[0], &a[3])])
        .check(bench);
}

fn attention_backward_values(bench: &mut Bench, variant: Variant) {
    // Above 10 an f32 has not the digits to recompute weights from their logarithm.
    for (shape, magnitude) in cases().filter(|(_, magnitude)| *magnitude < 10.0) {
        attention_backward_alone(bench, variant, shape, magnitude);
    }
    random_cases(bench, 16, random_heads(), |bench, (shape, magnitude, seed)| {
        attention_backward_trial(variant, shape, magnitude, seed).check(bench);
    });
    let small = || attention_backward_trial(variant, shape_of([2, 19, 2, 8]), 1.0, 1);
    small().check_tiny(bench);
    small().poison(bench);
    attention_backward_trial(variant, shape_of([2, 1, 1, 4]), 1.0, 1).poison(bench);
    let finite = Tolerance::new(1e4, 1e-2, "scores of 1e4 are good to 1e-3, and so are the weights made of them");
    attention_backward_trial(variant, shape_of([2, 19, 2, 8]), 60.0, 1)
        .with_values("and no more", finite, |name, i| match name {
            "qkv" => {
                if (i / 16).is_multiple_of(3) {
                    60.0
                } else {
                    (i / 16 % 5) as f32
                }
            }
            "log_sum" => 1e4,
            _ => (i % 3) as f32,
        })
        .check(bench);
}

#[test]
pub fn attention_backward_subgroup() {
    for_kernel("attention_backward_subgroup", |bench| {
        let (heads, [qkv, output, log_sum]) = one_head(bench, 1);
        let (upstream, out) = (bench.output(4), bench.output(12));
        let launch =
            AttentionBackward { qkv: &qkv, output: &output, log_sum: &log_sum, upstream: &upstream, out: &out, heads };
        let launched = launch.launch_subgroup(&mut bench.stream);
        if let Some(missing) = bench.missing_for_pairs() {
            return expect_refusal(launched, "an adapter whose lanes share no pairs", &[missing]);
        }
        launched.unwrap();
        attention_backward_values(bench, SUBGROUP);
        for shape in LONG.map(shape_of) {
            attention_backward_alone(bench, SUBGROUP, shape, 1.0);
        }
    });
}

#[test]
pub fn attention_backward() {
    for_kernel("attention_backward", |bench| {
        attention_backward_values(bench, PORTABLE);
        for shape in LONG.map(shape_of) {
            attention_backward_alone(bench, PORTABLE, shape, 1.0);
        }

        let (qkv, output, log_sum) = (bench.output(2 * 3 * 24), bench.output(2 * 3 * 8), bench.output(2 * 2 * 3));
        let launch = AttentionBackward {
            qkv: &qkv,
            output: &output,
            log_sum: &log_sum,
            upstream: &output,
            out: &qkv,
            heads: SMALL_HEADS,
        };
        refuses_buffers!(bench, launch, AttentionBackward { qkv, output, log_sum, upstream, out });
        let odd = AttentionBackward { heads: Heads { heads: 4, head_dim: 2, ..SMALL_HEADS }, ..launch };
        expect_refusal(odd.launch(&mut bench.stream), "a head of 2 columns", &["2 columns", "multiple of 4"]);
        refuses_sizes(bench, |stream, x, [batch, tokens, heads, head_dim]| {
            let heads = Heads { batch, tokens, heads, head_dim };
            AttentionBackward { qkv: x, output: x, log_sum: x, upstream: x, out: x, heads }.launch(stream)
        });
    });
}
