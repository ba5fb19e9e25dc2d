//! Group N: the gradients of a Linear's weight and bias in one launch.

use kernels::{LinearBackward, Tile, Variant};
use runtime::Stream;
use tests::harness::{Bench, Tolerance, Values, on_each_device};
use tests::oracle::network::{self as oracle, Layout};
use tests::oracle::sum;

use super::presets::presets;
use super::random::{magnitude, random_cases, seed, size};
use super::refusals::{expect_refusal, refuses_buffers, refuses_sizes};
use super::trial::Trial;

pub(super) type LaunchBackward = fn(&LinearBackward<'_>, &mut Stream) -> runtime::Result<()>;

/// Where the two gradients are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Memory {
    /// In memory of their own.
    Apart,
    /// The bias' behind the weight's, which is a multiple of [`runtime::ALIGNMENT`] long then.
    Together,
}

/// rows, in and out; whether the gradients of weight and bias are added to what is there; the seed.
type Case = ([usize; 3], [bool; 2], u64);

pub(super) fn linear_backward_trial(launch: LaunchBackward, memory: Memory, (sizes, add, seed): Case) -> Trial {
    let [rows, inner, out] = sizes;
    let mut values = Values::new(seed);
    let (x, upstream) = (values.normal(rows * inner), values.normal(rows * out));
    let trial = Trial::new(format!("linear_backward ({rows}, {inner}) to {out}, added {add:?}, {memory:?}"))
        .reads("x", x)
        .reads("upstream", upstream);
    let [weight, bias] = [out * inner, out].map(|len| values.normal(len));
    let tolerance = Tolerance::sum(rows);
    let trial = match memory {
        Memory::Apart => {
            let [weight, bias] = [(add[0], weight), (add[1], bias)].map(|(add, values)| add.then_some(values));
            trial
                .accumulates("out_weight", weight, out * inner, tolerance)
                .accumulates("out_bias", bias, out, tolerance)
        }
        Memory::Together => {
            let before = [(add[0], weight), (add[1], bias)]
                .map(|(add, values)| if add { values } else { vec![f32::NAN; values.len()] })
                .concat();
            trial.accumulates("out", (add != [false; 2]).then_some(before), out * inner + out, tolerance)
        }
    };
    trial
        .launch(move |bench, buffers| {
            let (weight, bias) = match buffers {
                [_, _, both] => (&both.slice(0..out * inner), &both.slice(out * inner..both.len())),
                [_, _, weight, bias] => (weight, bias),
                _ => panic!("three or four buffers"),
            };
            let (out_weight, out_bias) = ((weight, add[0]), (bias, add[1]));
            launch(
                &LinearBackward { x: &buffers[0], upstream: &buffers[1], sizes, out_weight, out_bias },
                &mut bench.stream,
            )
        })
        .oracle(move |arrays| {
            let (x, upstream, before) = (&arrays[0], &arrays[1], arrays[2..].concat());
            let (weight, bias) = before.split_at(out * inner);
            let added = |add: bool, before: &[f32], sums: Vec<f64>| if add { sum(before, &sums) } else { sums };
            let weight = added(add[0], weight, oracle::matmul(Layout::TN, upstream, x, [out, inner, rows]));
            let bias = added(add[1], bias, oracle::column_sum(upstream, out, 1.0));
            match memory {
                Memory::Apart => vec![weight, bias],
                Memory::Together => vec![[weight, bias].concat()],
            }
        })
}

const ADDITIONS: [[bool; 2]; 4] = [[false, false], [true, true], [true, false], [false, true]];

/// Cases of a launch that takes gradients that are apart.
fn cases_apart(bench: &mut Bench, launch: LaunchBackward) {
    cases(bench, launch, Memory::Apart, &ADDITIONS, |sizes| sizes);
}

/// Cases of a launch that takes gradients that are together and both added or none.
pub(super) fn cases_together(bench: &mut Bench, launch: LaunchBackward) {
    cases(bench, launch, Memory::Together, &ADDITIONS[..2], |[rows, inner, out]| {
        [rows, inner.next_multiple_of(16), out.next_multiple_of(4)]
    });
}

fn cases(
    bench: &mut Bench,
    launch: LaunchBackward,
    memory: Memory,
    additions: &[[bool; 2]],
    fit: impl Fn([usize; 3]) -> [usize; 3],
) {
    let trial = |sizes, add, seed| linear_backward_trial(launch, memory, (fit(sizes), add, seed));
    let sizes =
        [[1, 1, 1], [3, 5, 7], [1, 68, 36], [49, 16, 128], [33, 129, 31], [64, 64, 64], [257, 20, 100], [5, 3, 260]];
    for add in additions {
        for (seed, sizes) in (0..).zip(sizes) {
            trial(sizes, *add, seed).check(bench);
        }
    }
    for config in presets() {
        let (tokens, width) = (config.tokens(), config.width);
        trial([tokens, width, 3 * width], [true; 2], 1).check(bench);
    }
    let sizes = (size(150), size(150), size(150));
    let random = (sizes, 0..additions.len(), magnitude(), seed());
    random_cases(bench, 24, random, |bench, (sizes, add, factor, seed)| {
        let trial = trial(sizes.into(), additions[add], seed);
        trial.scaled(factor, &["upstream", "out_weight", "out_bias", "out"], 1).check(bench);
    });
    trial([9, 13, 7], [true; 2], 2).check_tiny(bench);
    trial([9, 13, 7], [true; 2], 2).poison(bench);
    trial([9, 13, 7], [false; 2], 2).poison(bench);
}

#[test]
fn linear_backward() {
    on_each_device(|bench| {
        cases_apart(bench, |backward, stream| backward.launch(stream));
        cases_together(bench, |backward, stream| backward.launch(stream));
        for add in ADDITIONS {
            let launch: LaunchBackward = |backward, stream| backward.launch(stream);
            linear_backward_trial(launch, Memory::Together, ([33, 48, 36], add, 3)).check(bench);
        }
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
        let wide = Variant::Wide { tile: Tile::Side64, slices: 1 };
        let launched = of(&weight, &bias).launch_variant(&mut bench.stream, wide);
        expect_refusal(launched, "gradients that are apart", &["no single stretch"]);
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
