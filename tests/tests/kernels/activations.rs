//! Group N: activations.

use kernels::{GeluBackward, Silu, SiluBackward};
use proptest::prelude::*;
use tests::harness::{Tolerance, Values, for_kernel};
use tests::oracle::{network as oracle, sum};

use super::LENGTHS;
use super::presets::{FEW, batches, presets};
use super::random::{random_cases, seed, size};
use super::refusals::refuses_buffers;
use super::trial::Trial;

/// Zeros, the bends, a thousand, the edges of exp and tanh, where squares and cubes overflow, and
/// numbers too small for a normal float.
const EXTREMES: [f32; 28] = [
    0.0, -0.0, 9.9, -9.9, 10.1, -10.1, 15.2, -15.2, 87.0, -87.0, 88.6, -88.6, 100.0, -100.0, 1e3, -1e3, 1e4, -1e4,
    1e10, -1e10, 1e15, -1e15, 1e30, -1e30, 1e-4, -1e-4, 1e-39, -1e-39,
];

/// What activations meet: all magnitudes, and the bends around zero.
fn activations(len: usize, seed: u64) -> Vec<f32> {
    let mut values = Values::new(seed);
    let bends = values.uniform(-8.0, 8.0, len);
    let mut x = values.spread(len);
    x.iter_mut().zip(bends).step_by(2).for_each(|(x, bend)| *x = bend);
    if len > 1000 {
        x[7..][..EXTREMES.len()].copy_from_slice(&EXTREMES);
    }
    x
}

/// The presets' conditioning, an item a row, which SiLU is for.
fn conditionings() -> impl Iterator<Item = usize> {
    presets().into_iter().zip(batches()).map(|(config, batch)| batch * config.width)
}

fn silu_trial(len: usize, seed: u64) -> Trial {
    let tolerance = Tolerance::new(
        1e-35,
        1e-5,
        "drivers' exp is off by up to 3e-6 (SwiftShader), and 0 below the smallest normal number",
    );
    Trial::new(format!("silu ({len})"))
        .reads("x", activations(len, seed))
        .writes("out", len, tolerance)
        .launch(|bench, b| Silu { x: &b[0], out: &b[1] }.launch(&mut bench.stream))
        .oracle(|a| vec![a[0].iter().map(|x| oracle::silu(f64::from(*x))).collect()])
}

#[test]
pub fn silu() {
    for_kernel("silu", |bench| {
        for len in LENGTHS.into_iter().chain(conditionings()) {
            silu_trial(len, len as u64).check(bench);
        }
        random_cases(bench, 32, (size(5000), seed()), |bench, (len, seed)| silu_trial(len, seed).check(bench));
        silu_trial(131, 1).check_tiny(bench);
        silu_trial(131, 1).poison(bench);
        let x = bench.output(3);
        refuses_buffers!(bench, Silu { x: &x, out: &x }, Silu { x, out });
    });
}

fn silu_backward_trial(len: usize, accumulate: bool, seed: u64) -> Trial {
    let mut values = Values::new(seed + 5);
    let (upstream, before) = (values.normal(len), accumulate.then(|| values.normal(len)));
    let tolerance = Tolerance::new(2e-5, 1e-5, "as silu, but 1 - sigmoid cancels, and upstream is up to 7");
    Trial::new(format!("silu_backward ({len}), accumulate {accumulate}"))
        .reads("x", activations(len, seed))
        .reads("upstream", upstream)
        .accumulates("out", before, len, tolerance)
        .launch(move |bench, b| {
            SiluBackward { x: &b[0], upstream: &b[1], out: &b[2], accumulate }.launch(&mut bench.stream)
        })
        .oracle(|a| vec![sum(&a[2], &oracle::silu_backward(&a[0], &a[1]))])
}

#[test]
pub fn silu_backward() {
    for_kernel("silu_backward", |bench| {
        let lengths = LENGTHS.into_iter().chain(conditionings());
        for (len, accumulate) in lengths.flat_map(|len| [(len, false), (len, true)]) {
            silu_backward_trial(len, accumulate, len as u64).check(bench);
        }
        let arguments = (size(5000), any::<bool>(), seed());
        random_cases(bench, 32, arguments, |bench, (len, accumulate, seed)| {
            silu_backward_trial(len, accumulate, seed).check(bench);
        });
        silu_backward_trial(131, true, 1).check_tiny(bench);
        for accumulate in [false, true] {
            silu_backward_trial(131, accumulate, 1).poison(bench);
        }
        let x = bench.output(3);
        let launch = SiluBackward { x: &x, upstream: &x, out: &x, accumulate: false };
        refuses_buffers!(bench, launch, SiluBackward { x, upstream, out });
    });
}

fn gelu_backward_trial(len: usize, seed: u64) -> Trial {
    let tolerance = Tolerance::new(
        2e-5,
        1e-5,
        "drivers' tanh is good to about 1e-6, and (1 - tanh²) · x · slope amplifies it by up to 10",
    );
    Trial::new(format!("gelu_backward ({len})"))
        .reads("x", activations(len, seed))
        .reads("upstream", Values::new(seed + 6).normal(len))
        .writes("out", len, tolerance)
        .launch(|bench, b| GeluBackward { x: &b[0], upstream: &b[1], out: &b[2] }.launch(&mut bench.stream))
        .oracle(|a| vec![oracle::gelu_backward(&a[0], &a[1])])
}

#[test]
pub fn gelu_backward() {
    for_kernel("gelu_backward", |bench| {
        let hidden = presets().map(|config| FEW * config.tokens() * 4 * config.width);
        for len in LENGTHS.into_iter().chain(hidden) {
            gelu_backward_trial(len, len as u64).check(bench);
        }
        random_cases(bench, 32, (size(5000), seed()), |bench, (len, seed)| {
            gelu_backward_trial(len, seed).check(bench);
        });
        gelu_backward_trial(131, 1).check_tiny(bench);
        gelu_backward_trial(131, 1).poison(bench);
        let x = bench.output(3);
        refuses_buffers!(bench, GeluBackward { x: &x, upstream: &x, out: &x }, GeluBackward { x, upstream, out });
    });
}
