//! Group N: the MLP of a block in one kernel, and its gradient in one, which CPUs have.

use kernels::{FeedForward, FeedForwardBackward, Sequence};
use runtime::{Binding, Error, Kernel, Launch};
use tests::harness::{Bench, Tolerance, Values, for_half_kernel, for_kernel, on_each_device};
use tests::oracle::network::{self as oracle, Layout, add_bias};
use tests::oracle::{narrow, sum};

use super::product::in_half;
use super::random::{random_cases, seed, size};
use super::refusals::expect_refusal;
use super::trial::Trial;

/// Weights are divided by the root of what they sum over, so that all values are near 1: where GELU bends.
const TOLERANCE: Tolerance = Tolerance::new(
    5e-6,
    5e-6,
    "a rounding of each term of two sums that add up to something near 1, and GELU's own 1e-6",
);

/// Of sums over up to 300 rows, of numbers near 1, and of [`MANY_ROWS`], which each slice sums by itself.
const TOLERANCE_OF_GRADIENTS: Tolerance = Tolerance::new(
    5e-5,
    5e-6,
    "a rounding of each term of three sums, times GELU's derivative, summed up over the rows, the root of whose number \
     is the size of the result",
);

/// What lies between the layers is rounded to bfloat16 before the second, which the oracle does too; where the two stand
/// on both sides of a tie they round to neighbours, 2^-8 apart.
const TOLERANCE_OF_HALF: Tolerance =
    Tolerance::new(4e-3, 4e-3, "one of the terms, which are near 1 where they are few, a neighbour in bfloat16: 2^-8");

/// As [`TOLERANCE_OF_HALF`], of sums over up to 300 rows. Those of biases are of numbers that are not rounded.
const TOLERANCE_OF_HALF_GRADIENTS: Tolerance =
    Tolerance::new(2e-2, 4e-3, "a handful of terms near 1 whose neighbours in bfloat16, 2^-8 apart, were summed");

/// Sizes of a case: items, tokens, and the widths of x, between the layers and of the result.
type Sizes = [usize; 5];

/// One; primes; around the 32 rows and columns of a block, the 128 that the gradient takes at a time on the unit, the 256
/// rows of a slice, and the 48 rows of a block without a unit.
const SIZES: [Sizes; 9] = [
    [1, 1, 1, 1, 1],
    [2, 3, 5, 7, 3],
    [3, 11, 31, 33, 32],
    [1, 32, 32, 32, 32],
    [5, 13, 17, 130, 40],
    [2, 64, 36, 128, 33],
    [1, 129, 8, 257, 8],
    [6, 49, 20, 80, 24],
    [2, 47, 34, 18, 20],
];

/// For a gradient from what was kept: two slices, the first of an odd number of rows that it takes in two pieces; as many
/// slices as there may be.
const MANY_ROWS: [Sizes; 2] = [[3, 227, 5, 9, 6], [1, 2303, 2, 3, 1]];

/// With operands as the device rounds them.
fn rounded(half: bool, values: Vec<f32>) -> Vec<f32> {
    if half { values.into_iter().map(in_half).collect() } else { values }
}

fn wide(values: &[f64], half: bool) -> Vec<f32> {
    rounded(half, narrow(values))
}

/// x · weight₁ᵀ + bias₁, with NaN for the infinities that the unit makes NaN of when it takes numbers in three parts.
fn between(x: &[f32], weight: &[f32], bias: &[f32], sizes: Sizes, half: bool) -> Vec<f64> {
    let [batch, tokens, width, hidden, _] = sizes;
    let product = oracle::matmul(Layout::NT, x, weight, [batch * tokens, hidden, width]);
    let product: Vec<f64> =
        product.into_iter().map(|value| if half || value.is_finite() { value } else { f64::NAN }).collect();
    add_bias(&product, bias)
}

/// The names, and the values, of what both passes read.
fn operands(sizes: Sizes, half: bool, seed: u64) -> (Values, [Vec<f32>; 5]) {
    let [batch, tokens, width, hidden, out_width] = sizes;
    let mut values = Values::new(seed);
    let mut layer = |outputs: usize, inputs: usize| -> (Vec<f32>, Vec<f32>) {
        let weight = values.normal(outputs * inputs).iter().map(|value| value / (inputs as f32).sqrt()).collect();
        (rounded(half, weight), values.normal(outputs))
    };
    let ((weight_1, bias_1), (weight_2, bias_2)) = (layer(hidden, width), layer(out_width, hidden));
    let x = rounded(half, values.normal(batch * tokens * width));
    (values, [x, weight_1, bias_1, weight_2, bias_2])
}

/// What the forward pass writes beside its result.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Beside {
    saved: bool,
    before_gelu: bool,
}

fn forward(sizes: Sizes, half: bool, beside: Beside, seed: u64) -> Trial {
    let [batch, tokens, width, hidden, out_width] = sizes;
    let (mut values, [x, weight_1, bias_1, weight_2, bias_2]) = operands(sizes, half, seed);
    let len = batch * tokens * out_width;
    // A gate at a column that is no multiple of 4, as it may well be.
    let (modulation_width, gate) = (2 * out_width + 3, out_width + 3);
    let sequence = Sequence { batch, tokens, width: out_width, modulation_width };
    let tolerance = if half { TOLERANCE_OF_HALF } else { TOLERANCE };
    let trial = Trial::new(format!("feed_forward {sizes:?}, half: {half}, {beside:?}"))
        .reads("x", x)
        .reads("weight_1", weight_1)
        .reads("bias_1", bias_1)
        .reads("weight_2", weight_2)
        .reads("bias_2", bias_2)
        .reads("residual", values.normal(len))
        .reads("modulation", values.normal(batch * modulation_width))
        .writes("out", len, tolerance);
    let trial = if beside.saved { trial.writes("saved", len, tolerance) } else { trial };
    let trial =
        if beside.before_gelu { trial.writes("before_gelu", batch * tokens * hidden, TOLERANCE) } else { trial };
    trial
        .launch(move |bench, buffers| {
            let [x, weight_1, bias_1, weight_2, bias_2, residual, modulation, out, rest @ ..] = buffers else {
                panic!("eight buffers to ten")
            };
            let (weights, biases) = ([weight_1, weight_2], [bias_1, bias_2]);
            let (saved, kept) = rest.split_at(usize::from(beside.saved));
            FeedForward {
                x,
                weights,
                biases,
                residual,
                modulation,
                sequence,
                gate,
                widths: [width, hidden],
                out,
                saved: saved.first(),
                before_gelu: kept.first(),
            }
            .launch(&mut bench.stream)
        })
        .oracle(move |arrays| {
            let [x, weight_1, bias_1, weight_2, bias_2, residual, modulation, ..] = arrays else {
                panic!("eight arrays to ten")
            };
            let before_gelu = between(x, weight_1, bias_1, sizes, half);
            let hidden_values: Vec<f64> = before_gelu.iter().map(|value| oracle::gelu(*value)).collect();
            let hidden_values = wide(&hidden_values, half);
            let product = oracle::matmul(Layout::NT, &hidden_values, weight_2, [batch * tokens, out_width, hidden]);
            let gated = add_bias(&product, bias_2);
            let factor = |i: usize| modulation[i / out_width / tokens * modulation_width + gate + i % out_width];
            let out = (0..len).map(|i| f64::from(residual[i]) + f64::from(factor(i)) * gated[i]).collect();
            let wanted = [(true, out), (beside.saved, gated), (beside.before_gelu, before_gelu)];
            wanted.into_iter().filter_map(|(wanted, values)| wanted.then_some(values)).collect()
        })
}

/// How the gradient comes by what GELU was given.
#[derive(Clone, Copy, Debug, PartialEq)]
enum BeforeGelu {
    Kept,
    MadeAgain,
}

fn backward(sizes: Sizes, half: bool, before_gelu: BeforeGelu, accumulate: bool, seed: u64) -> Trial {
    let kept = before_gelu == BeforeGelu::Kept;
    let [batch, tokens, width, hidden, out_width] = sizes;
    let rows = batch * tokens;
    let (mut values, [x, weight_1, bias_1, weight_2, _]) = operands(sizes, half, seed);
    let upstream = rounded(half, values.normal(rows * out_width));
    let lens = [rows * width, hidden * width, hidden, out_width * hidden, out_width];
    let names = ["out_x", "out_weight_1", "out_bias_1", "out_weight_2", "out_bias_2"];
    let name = format!("feed_forward_backward {sizes:?}, half: {half}, {before_gelu:?}, accumulate: {accumulate}");
    let trial = Trial::new(name)
        .reads("x", x)
        .reads("weight_1", weight_1)
        .reads("bias_1", bias_1)
        .reads("weight_2", weight_2)
        .reads("upstream", upstream);
    let trial = if kept { trial.reads("before_gelu", values.normal(rows * hidden)) } else { trial };
    let trial = names.into_iter().zip(lens).fold(trial, |trial, (name, len)| {
        let before = accumulate.then(|| values.normal(len));
        let rounded = half && !name.starts_with("out_bias");
        let tolerance = if rounded { TOLERANCE_OF_HALF_GRADIENTS } else { TOLERANCE_OF_GRADIENTS };
        trial.accumulates(name, before, len, tolerance)
    });
    trial
        .launch(move |bench, buffers| {
            let [x, weight_1, bias, weight_2, upstream, rest @ ..] = buffers else { panic!("ten buffers or eleven") };
            let (kept, outputs) = rest.split_at(usize::from(kept));
            let [out_x, of_weight_1, of_bias_1, of_weight_2, of_bias_2] = outputs else { panic!("five gradients") };
            FeedForwardBackward {
                x,
                weights: [weight_1, weight_2],
                bias,
                before_gelu: kept.first(),
                upstream,
                rows,
                widths: [width, hidden, out_width],
                out_x: (out_x, accumulate),
                out_weights: [of_weight_1, of_weight_2].map(|out| (out, accumulate)),
                out_biases: [of_bias_1, of_bias_2].map(|out| (out, accumulate)),
            }
            .launch(&mut bench.stream)
        })
        .oracle(move |arrays| {
            let [x, weight_1, bias_1, weight_2, upstream, rest @ ..] = arrays else { panic!("ten arrays or eleven") };
            let (kept, before) = rest.split_at(usize::from(kept));
            let given = match kept.first() {
                Some(kept) => kept.iter().map(|value| f64::from(*value)).collect(),
                None => between(x, weight_1, bias_1, sizes, half),
            };
            let activated: Vec<f64> = given.iter().map(|value| oracle::gelu(*value)).collect();
            let above = oracle::matmul(Layout::NN, upstream, weight_2, [rows, hidden, out_width]);
            let slopes: Vec<f64> =
                above.iter().zip(&given).map(|(above, given)| above * oracle::gelu_derivative(*given)).collect();
            let (activated, slopes_rounded) = (wide(&activated, half), wide(&slopes, half));
            let gradients = [
                oracle::matmul(Layout::NN, &slopes_rounded, weight_1, [rows, width, hidden]),
                oracle::matmul(Layout::TN, &slopes_rounded, x, [hidden, width, rows]),
                oracle::column_sum(&narrow(&slopes), hidden, 1.0),
                oracle::matmul(Layout::TN, upstream, &activated, [out_width, hidden, rows]),
                oracle::column_sum(upstream, out_width, 1.0),
            ];
            before.iter().zip(gradients).map(|(before, gradient)| sum(before, &gradient)).collect()
        })
}

fn sizes_up_to(most: usize) -> impl proptest::strategy::Strategy<Value = Sizes> {
    use proptest::prelude::*;
    (1..4_usize, size(most), size(most), size(most), size(most))
        .prop_map(|(batch, tokens, width, hidden, out_width)| [batch, tokens, width, hidden, out_width])
}

/// A device without the kernel says so when it is asked: see the last test.
fn forward_cases(bench: &mut Bench, half: bool) {
    if !FeedForward::runs_on(&bench.stream) {
        return;
    }
    let keeps = !FeedForward::makes_again(&bench.stream);
    let beside = |saved: bool, kept: bool| Beside { saved, before_gelu: kept && keeps };
    for (sizes, write) in SIZES.into_iter().flat_map(|sizes| [(sizes, false), (sizes, true)]) {
        forward(sizes, half, beside(write, write), sizes.iter().sum::<usize>() as u64).check(bench);
    }
    let any = proptest::bool::ANY;
    random_cases(bench, 24, (sizes_up_to(150), any, any, seed()), |bench, (sizes, save, keep, seed)| {
        forward(sizes, half, beside(save, keep), seed).check(bench);
    });
    for write in [false, true] {
        forward([2, 17, 5, 35, 3], half, beside(write, write), 1).check_tiny(bench);
        forward([2, 17, 5, 35, 3], half, beside(write, write), 1).poison(bench);
    }
}

fn backward_cases(bench: &mut Bench, half: bool, before_gelu: BeforeGelu) {
    let runs = match before_gelu {
        BeforeGelu::Kept => FeedForward::runs_on(&bench.stream),
        BeforeGelu::MadeAgain => FeedForward::makes_again(&bench.stream),
    };
    if !runs {
        return;
    }
    let many_rows = if before_gelu == BeforeGelu::Kept { &MANY_ROWS[..] } else { &[] };
    for (&sizes, add) in SIZES.iter().chain(many_rows).flat_map(|sizes| [(sizes, false), (sizes, true)]) {
        backward(sizes, half, before_gelu, add, sizes.iter().sum::<usize>() as u64).check(bench);
    }
    random_cases(bench, 24, (sizes_up_to(100), proptest::bool::ANY, seed()), |bench, (sizes, add, seed)| {
        backward(sizes, half, before_gelu, add, seed).check(bench);
    });
    for add in [false, true] {
        backward([2, 17, 5, 35, 3], half, before_gelu, add, 1).check_tiny(bench);
        backward([2, 17, 5, 35, 3], half, before_gelu, add, 1).poison(bench);
    }
}

#[test]
pub fn feed_forward() {
    for_kernel("feed_forward", |bench| forward_cases(bench, false));
}

#[test]
pub fn feed_forward_half() {
    for_half_kernel("feed_forward_half", None, |bench| forward_cases(bench, true));
}

#[test]
pub fn feed_forward_backward() {
    for_kernel("feed_forward_backward", |bench| {
        backward_cases(bench, false, BeforeGelu::Kept);
        backward_cases(bench, false, BeforeGelu::MadeAgain);
    });
}

#[test]
pub fn feed_forward_backward_half() {
    for_half_kernel("feed_forward_backward_half", None, |bench| {
        backward_cases(bench, true, BeforeGelu::MadeAgain);
    });
}

#[test]
fn what_does_not_fit_is_refused() {
    for_kernel("feed_forward", |bench| {
        let (x, weight, bias, modulation) = (bench.output(6), bench.output(9), bench.output(3), bench.output(2 * 6));
        let other = bench.output(5);
        let [out, saved] = [bench.output(6), bench.output(6)];
        let launch = FeedForward {
            x: &x,
            weights: [&weight, &weight],
            biases: [&bias, &bias],
            residual: &x,
            modulation: &modulation,
            sequence: Sequence { batch: 2, tokens: 1, width: 3, modulation_width: 6 },
            gate: 3,
            widths: [3, 3],
            out: &out,
            saved: Some(&saved),
            before_gelu: None,
        };
        let gradients = FeedForwardBackward {
            x: &x,
            weights: [&weight, &weight],
            bias: &bias,
            before_gelu: Some(&saved),
            upstream: &x,
            rows: 2,
            widths: [3, 3, 3],
            out_x: (&out, false),
            out_weights: [(&weight, false); 2],
            out_biases: [(&bias, false); 2],
        };
        let made_again = FeedForwardBackward { before_gelu: None, ..gradients };
        if !FeedForward::runs_on(&bench.stream) {
            expect_refusal(made_again.launch(&mut bench.stream), "a device that is no CPU", &["is no CPU"]);
            expect_refusal(gradients.launch(&mut bench.stream), "a device that is no CPU", &["is no CPU"]);
            expect_refusal(launch.launch(&mut bench.stream), "a device that is no CPU", &["is no CPU"]);
            return;
        }
        let keeps = FeedForward { before_gelu: Some(&saved), ..launch };
        if FeedForward::makes_again(&bench.stream) {
            expect_refusal(
                keeps.launch(&mut bench.stream),
                "what is not kept",
                &["is not kept where products are of bfloat16"],
            );
        } else {
            expect_refusal(made_again.launch(&mut bench.stream), "a gradient without a unit", &["does not make again"]);
            let keeps = FeedForward { before_gelu: Some(&other), ..launch };
            expect_refusal(keeps.launch(&mut bench.stream), "a wrong buffer to keep in", &["`before_gelu` has 5"]);
        }
        let mut refuses = |launch: FeedForwardBackward<'_>, what: &str, said: &str| {
            expect_refusal(launch.launch(&mut bench.stream), what, &[said]);
        };
        refuses(FeedForwardBackward { x: &other, ..gradients }, "a wrong x", "`x` has 5");
        refuses(FeedForwardBackward { upstream: &other, ..gradients }, "a wrong upstream", "`upstream` has 5");
        refuses(FeedForwardBackward { out_x: (&other, true), ..gradients }, "a wrong gradient of x", "`out_x` has 5");
        refuses(FeedForwardBackward { weights: [&other, &weight], ..gradients }, "a wrong weight", "`weight_1` has 5");
        refuses(FeedForwardBackward { weights: [&weight, &other], ..gradients }, "a wrong weight", "`weight_2` has 5");
        refuses(FeedForwardBackward { bias: &other, ..gradients }, "a wrong bias", "`bias_1` has 5");
        let of_weights = [(&weight, false), (&other, false)];
        refuses(FeedForwardBackward { out_weights: of_weights, ..gradients }, "a wrong gradient", "`out` has 5");
        refuses(
            FeedForwardBackward { before_gelu: Some(&other), ..gradients },
            "wrong activations",
            "`before_gelu` has 5",
        );
        refuses(FeedForwardBackward { rows: 0, ..gradients }, "no rows", "is empty");
        let mut refuses = |launch: FeedForward<'_>, what: &str, said: &str| {
            expect_refusal(launch.launch(&mut bench.stream), what, &[said]);
        };
        refuses(FeedForward { x: &other, ..launch }, "a wrong x", "`x` has 5");
        refuses(FeedForward { weights: [&other, &weight], ..launch }, "a wrong first weight", "`weight_1` has 5");
        refuses(FeedForward { weights: [&weight, &other], ..launch }, "a wrong second weight", "`weight_2` has 5");
        refuses(FeedForward { biases: [&other, &bias], ..launch }, "a wrong first bias", "`bias_1` has 5");
        refuses(FeedForward { biases: [&bias, &other], ..launch }, "a wrong second bias", "`bias_2` has 5");
        refuses(FeedForward { residual: &other, ..launch }, "a wrong residual", "`residual` has 5");
        refuses(FeedForward { modulation: &other, ..launch }, "a wrong modulation", "`modulation` has 5");
        refuses(FeedForward { gate: 4, ..launch }, "a gate that leaves the modulation", "3 columns from 4");
        refuses(FeedForward { out: &other, ..launch }, "a wrong result", "`out` has 5");
        refuses(FeedForward { saved: Some(&other), ..launch }, "a wrong buffer to save to", "`saved` has 5");
    });
}

/// Does nothing, on the CPU alone.
static WITHOUT_SHADER: Kernel =
    Kernel { name: "without_shader", wgsl: None, parameters: &[], bindings: &[Binding::write("x")], cpu: |_, _| {} };

#[test]
fn an_adapter_refuses_a_kernel_without_a_shader() {
    on_each_device(|bench| {
        let x = bench.output(1);
        let launch =
            Launch { kernel: &WITHOUT_SHADER, parameters: 0_u32, buffers: &[&x], constants: &[], workgroups: [1; 3] };
        let result = bench.stream.launch(&launch);
        if bench.stream.device().adapter().is_some() {
            assert!(matches!(result, Err(Error::NoShader("without_shader"))), "{result:?}");
        } else {
            result.unwrap();
        }
    });
}
