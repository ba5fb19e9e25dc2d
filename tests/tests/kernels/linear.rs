//! Group N: the gradients of a Linear's weight and bias in one launch.

use kernels::{LinearBackward, Variant};
use proptest::prelude::any;
use runtime::Stream;
use tests::harness::{Bench, Tolerance, Values, on_each_device};
use tests::oracle::network::{self as oracle, Layout};
use tests::oracle::sum;

use super::presets::presets;
use super::random::{magnitude, random_cases, seed, size};
use super::refusals::{expect_refusal, refuses_buffers, refuses_sizes};
use super::trial::Trial;

type LaunchBackward = fn(&LinearBackward<'_>, &mut Stream) -> runtime::Result<()>;

/// rows, in and out; whether the gradients of weight and bias are added to what is there; the seed.
type Case = ([usize; 3], [bool; 2], u64);

pub(super) fn linear_backward_trial(launch: LaunchBackward, ([rows, inner, out], add, seed): Case) -> Trial {
    let mut values = Values::new(seed);
    let (x, upstream) = (values.normal(rows * inner), values.normal(rows * out));
    let [weight, bias] = [out * inner, out].map(|len| values.normal(len));
    let before = [(add[0], weight), (add[1], bias)].map(|(add, values)| add.then_some(values));
    let [before_weight, before_bias] = before;
    Trial::new(format!("linear_backward ({rows}, {inner}) to {out}, added {add:?}"))
        .reads("x", x)
        .reads("upstream", upstream)
        .accumulates("out_weight", before_weight, out * inner, Tolerance::sum(rows))
        .accumulates("out_bias", before_bias, out, Tolerance::sum(rows))
        .launch(move |bench, buffers| {
            let [x, upstream, weight, bias] = buffers else { panic!("four buffers") };
            let (out_weight, out_bias) = ((weight, add[0]), (bias, add[1]));
            let backward = LinearBackward { x, upstream, sizes: [rows, inner, out], out_weight, out_bias };
            launch(&backward, &mut bench.stream)
        })
        .oracle(move |arrays| {
            let [x, upstream, weight, bias] = arrays else { panic!("four arrays") };
            let product = oracle::matmul(Layout::TN, upstream, x, [out, inner, rows]);
            vec![sum(weight, &product), sum(bias, &oracle::column_sum(upstream, out, 1.0))]
        })
}

const ADDITIONS: [[bool; 2]; 4] = [[false, false], [true, true], [true, false], [false, true]];

/// Cases whose widths are multiples of `widths_of`.
pub(super) fn linear_backward_cases(bench: &mut Bench, widths_of: usize, launch: LaunchBackward) {
    let sizes =
        [[1, 1, 1], [3, 5, 7], [1, 68, 36], [49, 16, 128], [33, 129, 31], [64, 64, 64], [257, 20, 100], [5, 3, 260]];
    let fit =
        |[rows, inner, out]: [usize; 3]| [rows, inner.next_multiple_of(widths_of), out.next_multiple_of(widths_of)];
    for add in ADDITIONS {
        for (seed, sizes) in (0..).zip(sizes) {
            linear_backward_trial(launch, (fit(sizes), add, seed)).check(bench);
        }
    }
    for config in presets() {
        let (tokens, width) = (config.tokens(), config.width);
        linear_backward_trial(launch, ([tokens, width, 3 * width], [true; 2], 1)).check(bench);
    }
    let sizes = (size(150), size(150), size(150));
    random_cases(bench, 24, (sizes, any::<[bool; 2]>(), magnitude(), seed()), |bench, (sizes, add, factor, seed)| {
        let trial = linear_backward_trial(launch, (fit(sizes.into()), add, seed));
        trial.scaled(factor, &["upstream", "out_weight", "out_bias"], 1).check(bench);
    });
    let sizes = fit([9, 13, 7]);
    linear_backward_trial(launch, (sizes, [true; 2], 2)).check_tiny(bench);
    linear_backward_trial(launch, (sizes, [true; 2], 2)).poison(bench);
    linear_backward_trial(launch, (sizes, [false; 2], 2)).poison(bench);
}

#[test]
fn linear_backward() {
    on_each_device(|bench| {
        linear_backward_cases(bench, 1, |backward, stream| backward.launch(stream));
        let (x, upstream) = (bench.output(6), bench.output(8));
        let (weight, bias) = (bench.output(12), bench.output(4));
        let of = |weight, bias| LinearBackward {
            x: &x,
            upstream: &upstream,
            sizes: [2, 3, 4],
            out_weight: (weight, false),
            out_bias: (bias, false),
        };
        refuses_buffers!(bench, of(&weight, &bias), LinearBackward { x, upstream });
        let launched = of(&weight, &bias).launch_variant(&mut bench.stream, Variant::Portable);
        expect_refusal(launched, "a variant without sums", &["Portable"]);
        let mut refuses = |backward: LinearBackward<'_>, what: &str, said: &[&str]| {
            expect_refusal(backward.launch(&mut bench.stream), what, said);
        };
        refuses(of(&bias, &bias), "a weight of another size", &["has 4", "[4, 3]"]);
        refuses(of(&weight, &weight), "a bias of another size", &["has 12", "[4]"]);
        refuses_sizes(bench, |stream, x, [rows, inner, columns]| {
            let sizes = [rows, inner, columns];
            LinearBackward { x, upstream: x, sizes, out_weight: (x, false), out_bias: (x, false) }.launch(stream)
        });
    });
}
