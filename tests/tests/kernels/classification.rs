//! What classifiers add: pooling and cross-entropy.

use kernels::{CrossEntropy, CrossEntropyBackward, MeanPool, MeanPoolBackward};
use proptest::prelude::*;
use tests::harness::{Tolerance, Values, for_kernel};
use tests::oracle::{classification as oracle, sum};

use super::FOLDED;
use super::random::{magnitude, random_cases, seed, size};
use super::refusals::{refuses_buffers, refuses_sizes};
use super::trial::Trial;

/// Rows and classes.
const LOGITS: [[usize; 2]; 8] = [[1, 1], [1, 10], [3, 1], [7, 2], [64, 10], [65, 13], [128, 10], [FOLDED, 2]];

/// Labels of every class, and one that is none.
fn labels([rows, classes]: [usize; 2], seed: u64) -> Vec<u32> {
    let mut labels = Values::new(seed).below(classes as u32, rows);
    if rows > 2 {
        labels[1] = classes as u32;
    }
    labels
}

fn cross_entropy_trial([rows, classes]: [usize; 2], deviation: f32, seed: u64) -> Trial {
    let (labels, again) = (labels([rows, classes], seed), labels([rows, classes], seed));
    let logits: Vec<f32> = Values::new(seed).normal(rows * classes).iter().map(|x| x * deviation).collect();
    let tolerance = Tolerance::new(2e-6, 2e-6, "an exponential and a logarithm, each off by 1e-6 at most");
    Trial::new(format!("cross_entropy ({rows}, {classes}), deviation {deviation}"))
        .reads("logits", logits)
        .writes("out", rows, tolerance)
        .launch(move |bench, b| {
            let labels = bench.upload(&labels);
            CrossEntropy { logits: &b[0], labels: &labels, out: &b[1], rows, classes }.launch(&mut bench.stream)
        })
        .oracle(move |a| vec![oracle::cross_entropy(&a[0], &again, classes)])
}

#[test]
pub fn cross_entropy() {
    for_kernel("cross_entropy", |bench| {
        for (shape, deviation) in LOGITS.into_iter().zip([1.0, 4.0, 30.0].into_iter().cycle()) {
            cross_entropy_trial(shape, deviation, shape[1] as u64).check(bench);
        }
        // Logits whose exponentials would overflow.
        cross_entropy_trial([20, 10], 1000.0, 1).check(bench);
        let arguments = (size(200), size(30), 0.0_f32..10.0, seed());
        random_cases(bench, 32, arguments, |bench, (rows, classes, deviation, seed)| {
            cross_entropy_trial([rows, classes], deviation, seed).check(bench);
        });
        cross_entropy_trial([3, 7], 1.0, 1).check_tiny(bench);
        cross_entropy_trial([3, 7], 1.0, 1).poison(bench);
        let (logits, labels, out) = (bench.output(6), bench.output(2), bench.output(2));
        let launch = CrossEntropy { logits: &logits, labels: &labels, out: &out, rows: 2, classes: 3 };
        refuses_buffers!(bench, launch, CrossEntropy { logits, labels, out });
        refuses_sizes(bench, |stream, x, [rows, classes]| {
            CrossEntropy { logits: x, labels: x, out: x, rows, classes }.launch(stream)
        });
    });
}

fn cross_entropy_backward_trial([rows, classes]: [usize; 2], deviation: f32, seed: u64) -> Trial {
    let (labels, again) = (labels([rows, classes], seed), labels([rows, classes], seed));
    let logits: Vec<f32> = Values::new(seed).normal(rows * classes).iter().map(|x| x * deviation).collect();
    let tolerance =
        Tolerance::new(2e-6 / rows as f64, 5e-6, "exponentials and a division, off by some 1e-6 of a probability");
    Trial::new(format!("cross_entropy_backward ({rows}, {classes}), deviation {deviation}"))
        .reads("logits", logits)
        .reads("upstream", vec![-0.7])
        .writes("out", rows * classes, tolerance)
        .launch(move |bench, b| {
            let labels = bench.upload(&labels);
            CrossEntropyBackward { logits: &b[0], labels: &labels, upstream: &b[1], out: &b[2], rows, classes }
                .launch(&mut bench.stream)
        })
        .oracle(move |a| vec![oracle::cross_entropy_backward(&a[0], &again, a[1][0], classes)])
}

#[test]
pub fn cross_entropy_backward() {
    for_kernel("cross_entropy_backward", |bench| {
        for (shape, deviation) in LOGITS.into_iter().zip([1.0, 4.0, 30.0].into_iter().cycle()) {
            cross_entropy_backward_trial(shape, deviation, shape[1] as u64).check(bench);
        }
        cross_entropy_backward_trial([20, 10], 1000.0, 1).check(bench);
        let arguments = (size(200), size(30), 0.0_f32..10.0, seed());
        random_cases(bench, 32, arguments, |bench, (rows, classes, deviation, seed)| {
            cross_entropy_backward_trial([rows, classes], deviation, seed).check(bench);
        });
        cross_entropy_backward_trial([3, 7], 1.0, 1).check_tiny(bench);
        cross_entropy_backward_trial([3, 7], 1.0, 1).poison(bench);
        let (x, labels, upstream) = (bench.output(6), bench.output(2), bench.output(1));
        let launch =
            CrossEntropyBackward { logits: &x, labels: &labels, upstream: &upstream, out: &x, rows: 2, classes: 3 };
        refuses_buffers!(bench, launch, CrossEntropyBackward { logits, labels, upstream, out });
        refuses_sizes(bench, |stream, x, [rows, classes]| {
            CrossEntropyBackward { logits: x, labels: x, upstream: x, out: x, rows, classes }.launch(stream)
        });
    });
}

/// B, T, D.
const TOKENS: [[usize; 3]; 7] =
    [[1, 1, 1], [3, 1, 5], [1, 7, 3], [2, 49, 64], [5, 13, 65], [128, 49, 64], [2, 2, FOLDED.div_ceil(2)]];

fn random_tokens() -> impl Strategy<Value = [usize; 3]> {
    (size(10), size(60), size(100)).prop_map(|(batch, tokens, width)| [batch, tokens, width])
}

fn mean_pool_trial([batch, tokens, width]: [usize; 3], magnitude: f32, seed: u64) -> Trial {
    let tolerance = Tolerance::new(5e-7, 1e-6, "the mean of a few dozen terms near one");
    Trial::new(format!("mean_pool ({batch}, {tokens}, {width})"))
        .reads("x", Values::new(seed).normal(batch * tokens * width))
        .writes("out", batch * width, tolerance)
        .launch(move |bench, b| MeanPool { x: &b[0], out: &b[1], batch, tokens, width }.launch(&mut bench.stream))
        .oracle(move |a| vec![oracle::mean_pool(&a[0], tokens, width)])
        .scaled(magnitude, &["x"], 1)
}

#[test]
pub fn mean_pool() {
    for_kernel("mean_pool", |bench| {
        for shape in TOKENS {
            mean_pool_trial(shape, 1.0, shape[1] as u64).check(bench);
        }
        random_cases(bench, 32, (random_tokens(), magnitude(), seed()), |bench, (shape, magnitude, seed)| {
            mean_pool_trial(shape, magnitude, seed).check(bench);
        });
        mean_pool_trial([3, 5, 7], 1.0, 1).check_tiny(bench);
        mean_pool_trial([3, 5, 7], 1.0, 1).poison(bench);
        let (x, out) = (bench.output(30), bench.output(6));
        let launch = MeanPool { x: &x, out: &out, batch: 2, tokens: 5, width: 3 };
        refuses_buffers!(bench, launch, MeanPool { x, out });
        refuses_sizes(bench, |stream, x, [batch, tokens, width]| {
            MeanPool { x, out: x, batch, tokens, width }.launch(stream)
        });
    });
}

fn mean_pool_backward_trial([batch, tokens, width]: [usize; 3], accumulate: bool, magnitude: f32, seed: u64) -> Trial {
    let (mut values, len) = (Values::new(seed), batch * tokens * width);
    let (upstream, before) = (values.normal(batch * width), accumulate.then(|| values.normal(len)));
    let tolerance = Tolerance::new(5e-7, 1e-6, "a division and a sum");
    Trial::new(format!("mean_pool_backward ({batch}, {tokens}, {width}), accumulate {accumulate}"))
        .reads("upstream", upstream)
        .accumulates("out", before, len, tolerance)
        .launch(move |bench, b| {
            MeanPoolBackward { upstream: &b[0], out: &b[1], batch, tokens, width, accumulate }.launch(&mut bench.stream)
        })
        .oracle(move |a| vec![sum(&a[1], &oracle::mean_pool_backward(&a[0], tokens, width))])
        .scaled(magnitude, &["upstream", "out"], 1)
}

#[test]
pub fn mean_pool_backward() {
    for_kernel("mean_pool_backward", |bench| {
        for (shape, accumulate) in TOKENS.into_iter().flat_map(|shape| [(shape, false), (shape, true)]) {
            mean_pool_backward_trial(shape, accumulate, 1.0, shape[1] as u64).check(bench);
        }
        let arguments = (random_tokens(), any::<bool>(), magnitude(), seed());
        random_cases(bench, 32, arguments, |bench, (shape, accumulate, magnitude, seed)| {
            mean_pool_backward_trial(shape, accumulate, magnitude, seed).check(bench);
        });
        mean_pool_backward_trial([3, 5, 7], true, 1.0, 1).check_tiny(bench);
        for accumulate in [false, true] {
            mean_pool_backward_trial([3, 5, 7], accumulate, 1.0, 1).poison(bench);
        }
        let (upstream, out) = (bench.output(6), bench.output(30));
        let launch =
            MeanPoolBackward { upstream: &upstream, out: &out, batch: 2, tokens: 5, width: 3, accumulate: false };
        refuses_buffers!(bench, launch, MeanPoolBackward { upstream, out });
        refuses_sizes(bench, |stream, x, [batch, tokens, width]| {
            MeanPoolBackward { upstream: x, out: x, batch, tokens, width, accumulate: false }.launch(stream)
        });
    });
}
