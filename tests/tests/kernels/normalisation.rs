//! Group N: LayerNorm with modulation, gates, and their gradients.

use kernels::{GateBackward, LayerNormModulate, LayerNormModulateBackward, ModulationBackward, Sequence};
use proptest::prelude::*;
use runtime::{Result, Stream};
use tests::harness::{Bench, Tolerance, Values, for_kernel};
use tests::oracle::{narrow, network::Modulated, sum};

use super::FOLDED;
use super::presets::{FEW, presets};
use super::random::{random_cases, seed, size};
use super::refusals::{expect_refusal, refuses_buffers, refuses_sizes};
use super::trial::Trial;

/// Where shift and scale (or gate, as the second) lie in how wide a modulation, for a width.
type Chunks = fn(usize) -> [usize; 3];
const CHUNKS: [Chunks; 5] = [
    |d| [6 * d, 0, d],
    |d| [6 * d, 3 * d, 4 * d],
    |d| [6 * d, 5 * d, 2 * d],
    |d| [2 * d, d, 0],
    |d| [2 * d + 5, 1, d + 3],
];
const BESIDE_OTHERS: Chunks = |d| [2 * d + 7, 3, d + 4];

/// A shape, the first columns of its two chunks, and a seed.
type Case = (Modulated, usize, usize, u64);

/// B, T, D and chunks, with every number of columns rounded up to a multiple of `columns_of`.
fn case([batch, tokens, width]: [usize; 3], chunks: Chunks, seed: u64, columns_of: usize) -> Case {
    let width = width.next_multiple_of(columns_of);
    let [modulation_width, first, second] = chunks(width).map(|columns| columns.next_multiple_of(columns_of));
    (Modulated { batch, tokens, width, modulation_width }, first, second, seed)
}

/// B, T, D: ones, primes, each of the three the smallest, around the 64 lanes of a workgroup.
const SEQUENCES: [[usize; 3]; 8] =
    [[1, 1, 1], [2, 3, 5], [7, 5, 3], [3, 7, 17], [5, 13, 67], [2, 65, 64], [3, 31, 129], [1, 1, 300]];

/// Every sequence, and the presets', with every place of the chunks.
fn modulated(columns_of: usize) -> impl Iterator<Item = Case> {
    let of_presets = presets().map(|config| [FEW, config.tokens(), config.width]);
    let sequences = SEQUENCES.into_iter().chain(of_presets);
    let all = sequences.flat_map(|sequence| CHUNKS.map(|chunks| (sequence, chunks)));
    all.zip(1..).map(move |((sequence, chunks), seed)| case(sequence, chunks, seed, columns_of))
}

fn random_modulated(columns_of: usize) -> impl Strategy<Value = Case> {
    (size(5), size(20), size(140), 0..CHUNKS.len(), seed()).prop_map(move |(batch, tokens, width, chunks, seed)| {
        case([batch, tokens, width], CHUNKS[chunks], seed, columns_of)
    })
}

fn sequence(shape: &Modulated) -> Sequence {
    let Modulated { batch, tokens, width, modulation_width } = *shape;
    Sequence { batch, tokens, width, modulation_width }
}

const SMALL: Sequence = Sequence { batch: 2, tokens: 3, width: 5, modulation_width: 10 };

/// Rows with deviations near `magnitude` and means three times that, of either sign.
fn rows(shape: &Modulated, magnitude: f32, seed: u64) -> Vec<f32> {
    let offset = |i: usize| if (i / shape.width).is_multiple_of(2) { 3.0 } else { -3.0 };
    let values = Values::new(seed).normal(shape.len());
    values.iter().enumerate().map(|(i, value)| magnitude * (value + offset(i))).collect()
}

/// How many deviations the mean of a row is off zero at most. A mean rounds to 2e-7 of itself, which
/// a short row of nearly equal numbers makes a large part of them.
fn worst_offset(statistics: &[f64]) -> f64 {
    statistics.chunks(2).map(|row| (row[0] * row[1]).abs()).fold(0.0, f64::max)
}

/// At 1e-3 the variance is like DiT's epsilon, and both count.
const MAGNITUDES: [f32; 3] = [1e-3, 1.0, 1e4];

fn a_magnitude() -> impl Strategy<Value = f32> {
    proptest::sample::select(MAGNITUDES.to_vec())
}

/// Launches one of the kernels that compute the same.
type Forward = fn(&LayerNormModulate<'_>, &mut Stream) -> Result<()>;
type Backward = fn(&LayerNormModulateBackward<'_>, &mut Stream) -> Result<()>;
type OfModulation = fn(&ModulationBackward<'_>, &mut Stream) -> Result<()>;
type OfGate = fn(&GateBackward<'_>, &mut Stream) -> Result<()>;

/// What variants for pairs of floats take columns by, and how many rows a workgroup of theirs has.
const EIGHT: usize = 8;

fn layer_norm_modulate_trial(
    variant: Forward,
    shape: Modulated,
    [shift, scale]: [usize; 2],
    magnitude: f32,
    seed: u64,
) -> Trial {
    let epsilon = if seed.is_multiple_of(2) { 1e-6 } else { 1e-5 };
    let values = rows(&shape, magnitude, seed);
    let offset = worst_offset(&shape.statistics(&values, epsilon));
    let normalised = Tolerance::new(
        f64::max(1e-5, 3e-6 * offset),
        1e-5,
        "the mean is three deviations off zero and rounds to 2e-7 of it, which a factor up to 5 scales; the reciprocal root on GPUs is good to 2 units in the last place",
    );
    let statistics =
        Tolerance::new(0.0, f64::max(1e-5, 2e-6 * offset), "means and reciprocal deviations are far from zero");
    Trial::new(format!("layer_norm_modulate {shape:?}, shift {shift}, scale {scale}, magnitude {magnitude}"))
        .reads("x", values)
        .reads("modulation", Values::new(seed + 1).normal(shape.batch * shape.modulation_width))
        .writes("out", shape.len(), normalised)
        .writes("statistics", 2 * shape.batch * shape.tokens, statistics)
        .launch(move |bench, b| {
            let [x, modulation, out, statistics] = b else { panic!("four buffers") };
            let sequence = sequence(&shape);
            let launch = LayerNormModulate { x, modulation, out, statistics, sequence, shift, scale, epsilon };
            variant(&launch, &mut bench.stream)
        })
        .oracle(move |a| {
            let out = shape.layer_norm_modulate(&a[0], &a[1], shift, scale, epsilon);
            vec![out, shape.statistics(&a[0], epsilon)]
        })
}

/// Rows of one number, whose variance is zero: what is left of them is rounding, which epsilon keeps
/// from growing by more than a thousand.
fn constant_rows(bench: &mut Bench, variant: Forward, columns_of: usize) {
    let (shape, shift, scale, seed) = case([2, 3, 67], |d| [2 * d, 0, d], 2, columns_of);
    let trial = || layer_norm_modulate_trial(variant, shape, [shift, scale], 1.0, seed);
    for constant in [1.0, -0.3, 1e-4] {
        let rounding = Tolerance::new(
            1e-3 * f64::from(constant).abs(),
            1e-3,
            "the variance is zero, and what rounding leaves of a number is divided by the root of epsilon",
        );
        trial().with_values(&format!("all {constant}"), rounding, |_, _| constant).check(bench);
    }
    let finite = Tolerance::new(1e6, 1.0, "in rows of a constant of 1e4, rounding is as large as the root of epsilon");
    trial().with_values("all 1e4", finite, |name, _| if name == "x" { 1e4 } else { 0.5 }).check(bench);
}

/// Widths are multiples of `columns_of`, and a workgroup has as many rows.
fn layer_norm_modulate_values(bench: &mut Bench, variant: Forward, columns_of: usize) {
    for (shape, shift, scale, seed) in modulated(columns_of) {
        for magnitude in MAGNITUDES {
            layer_norm_modulate_trial(variant, shape, [shift, scale], magnitude, seed).check(bench);
        }
    }
    // More rows than workgroups in a row of them, and an odd number: one workgroup has none.
    let (folded, shift, scale, seed) = case([3, 21_847 * columns_of, 17], |d| [2 * d, d, 0], 1, columns_of);
    layer_norm_modulate_trial(variant, folded, [shift, scale], 1.0, seed).check(bench);
    let arguments = (random_modulated(columns_of), a_magnitude());
    random_cases(bench, 32, arguments, |bench, ((shape, shift, scale, seed), magnitude)| {
        layer_norm_modulate_trial(variant, shape, [shift, scale], magnitude, seed).check(bench);
    });
    let (small, shift, scale, seed) = case([2, 3, 67], BESIDE_OTHERS, 1, columns_of);
    layer_norm_modulate_trial(variant, small, [shift, scale], 1.0, seed).check_tiny(bench);
    layer_norm_modulate_trial(variant, small, [shift, scale], 1.0, seed).poison(bench);
    constant_rows(bench, variant, columns_of);
}

/// What a kernel for pairs of floats says of sizes that are no multiples of eight, or of a device that has no such integers.
fn said_of_odd_sizes(bench: &Bench) -> [&'static str; 2] {
    if bench.has_wide_integers() { ["5 columns", "multiples of 8"] } else { ["integers", "64 bits"] }
}

#[test]
pub fn layer_norm_modulate_pairs() {
    for_kernel("layer_norm_modulate_pairs", |bench| {
        if bench.has_wide_integers() {
            layer_norm_modulate_values(bench, |launch, stream| launch.launch_pairs(stream), EIGHT);
        }
        let [x, modulation, out, statistics] = [30, 20, 30, 12].map(|len| bench.output(len));
        let (x, modulation, out, statistics) = (&x, &modulation, &out, &statistics);
        let (sequence, shift, scale, epsilon) = (SMALL, 0, 5, 1e-6);
        let launched = LayerNormModulate { x, modulation, out, statistics, sequence, shift, scale, epsilon }
            .launch_pairs(&mut bench.stream);
        expect_refusal(launched, "5 columns", &said_of_odd_sizes(bench));
    });
}

#[test]
pub fn layer_norm_modulate() {
    for_kernel("layer_norm_modulate", |bench| {
        layer_norm_modulate_values(bench, |launch, stream| launch.launch_portable(stream), 1);

        let (x, modulation, statistics) = (bench.output(2 * 3 * 5), bench.output(2 * 10), bench.output(2 * 3 * 2));
        let launch = LayerNormModulate {
            x: &x,
            modulation: &modulation,
            out: &x,
            statistics: &statistics,
            sequence: SMALL,
            shift: 0,
            scale: 5,
            epsilon: 1e-6,
        };
        refuses_buffers!(bench, launch, LayerNormModulate { x, modulation, out, statistics });
        for first in [6, usize::MAX] {
            let shifted = LayerNormModulate { shift: first, ..launch }.launch(&mut bench.stream);
            expect_refusal(shifted, "a shift that leaves the modulation", &["`shift`", &first.to_string(), "10"]);
            let scaled = LayerNormModulate { scale: first, ..launch }.launch(&mut bench.stream);
            expect_refusal(scaled, "a scale that leaves the modulation", &["`scale`", &first.to_string(), "10"]);
        }
        refuses_sizes(bench, |stream, x, [batch, tokens, width, modulation_width, shift, scale]| {
            let sequence = Sequence { batch, tokens, width, modulation_width };
            let (modulation, out, statistics) = (x, x, x);
            LayerNormModulate { x, modulation, out, statistics, sequence, shift, scale, epsilon: 1e-6 }.launch(stream)
        });
    });
}

fn layer_norm_modulate_backward_trial(
    variant: Backward,
    shape: Modulated,
    scale: usize,
    magnitude: f32,
    accumulate: bool,
    seed: u64,
) -> Trial {
    let values = rows(&shape, magnitude, seed);
    let statistics = shape.statistics(&values, 1e-6);
    let largest = statistics.iter().skip(1).step_by(2).copied().fold(0.0, f64::max);
    // Gradients grow as rows shrink: what is there before is given their size.
    let before = Values::new(seed + 3).normal(shape.len()).iter().map(|value| largest as f32 * value).collect();
    let tolerance = Tolerance::new(
        2e-5 * largest * f64::max(1.0, worst_offset(&statistics) / 30.0),
        1e-5,
        "terms near 10 times the reciprocal deviation cancel",
    );
    Trial::new(format!(
        "layer_norm_modulate_backward {shape:?}, scale {scale}, magnitude {magnitude}, accumulate {accumulate}"
    ))
    .reads("x", values)
    .reads("modulation", Values::new(seed + 1).normal(shape.batch * shape.modulation_width))
    .reads("statistics", narrow(&statistics))
    .reads("upstream", Values::new(seed + 2).normal(shape.len()))
    .accumulates("out", accumulate.then_some(before), shape.len(), tolerance)
    .launch(move |bench, b| {
        let [x, modulation, statistics, upstream, out] = b else { panic!("five buffers") };
        let sequence = sequence(&shape);
        let launch =
            LayerNormModulateBackward { x, modulation, statistics, upstream, out, sequence, scale, accumulate };
        variant(&launch, &mut bench.stream)
    })
    .oracle(move |a| vec![sum(&a[4], &shape.layer_norm_modulate_backward(&a[0], &a[1], &a[2], &a[3], scale))])
}

/// Widths are multiples of `columns_of`, and a workgroup has as many rows.
fn layer_norm_modulate_backward_values(bench: &mut Bench, variant: Backward, columns_of: usize) {
    for (shape, _, scale, seed) in modulated(columns_of) {
        for magnitude in MAGNITUDES {
            for accumulate in [false, true] {
                layer_norm_modulate_backward_trial(variant, shape, scale, magnitude, accumulate, seed).check(bench);
            }
        }
    }
    let (folded, scale, _, seed) = case([3, 21_847 * columns_of, 17], |d| [2 * d, d, 0], 1, columns_of);
    layer_norm_modulate_backward_trial(variant, folded, scale, 1.0, true, seed).check(bench);
    let arguments = (random_modulated(columns_of), a_magnitude(), any::<bool>());
    random_cases(bench, 32, arguments, |bench, ((shape, _, scale, seed), magnitude, accumulate)| {
        layer_norm_modulate_backward_trial(variant, shape, scale, magnitude, accumulate, seed).check(bench);
    });
    let (small, _, scale, seed) = case([2, 3, 67], BESIDE_OTHERS, 1, columns_of);
    layer_norm_modulate_backward_trial(variant, small, scale, 1.0, true, seed).check_tiny(bench);
    for accumulate in [false, true] {
        layer_norm_modulate_backward_trial(variant, small, scale, 1.0, accumulate, seed).poison(bench);
    }
}

#[test]
pub fn layer_norm_modulate_backward_pairs() {
    for_kernel("layer_norm_modulate_backward_pairs", |bench| {
        if bench.has_wide_integers() {
            layer_norm_modulate_backward_values(bench, |launch, stream| launch.launch_pairs(stream), EIGHT);
        }
        let [x, modulation, statistics, upstream, out] = [30, 20, 12, 30, 30].map(|len| bench.output(len));
        let (x, modulation, statistics, upstream, out) = (&x, &modulation, &statistics, &upstream, &out);
        let (sequence, scale, accumulate) = (SMALL, 5, false);
        let launched =
            LayerNormModulateBackward { x, modulation, statistics, upstream, out, sequence, scale, accumulate }
                .launch_pairs(&mut bench.stream);
        expect_refusal(launched, "5 columns", &said_of_odd_sizes(bench));
    });
}

#[test]
pub fn layer_norm_modulate_backward() {
    for_kernel("layer_norm_modulate_backward", |bench| {
        layer_norm_modulate_backward_values(bench, |launch, stream| launch.launch_portable(stream), 1);

        let (x, modulation, statistics) = (bench.output(2 * 3 * 5), bench.output(2 * 10), bench.output(2 * 3 * 2));
        let launch = LayerNormModulateBackward {
            x: &x,
            modulation: &modulation,
            statistics: &statistics,
            upstream: &x,
            out: &x,
            sequence: SMALL,
            scale: 5,
            accumulate: false,
        };
        refuses_buffers!(bench, launch, LayerNormModulateBackward { x, modulation, statistics, upstream, out });
        let outside = LayerNormModulateBackward { scale: 6, ..launch }.launch(&mut bench.stream);
        expect_refusal(outside, "a scale that leaves the modulation", &["`scale`", "6", "10"]);
        refuses_sizes(bench, |stream, x, [batch, tokens, width, modulation_width, scale]| {
            let sequence = Sequence { batch, tokens, width, modulation_width };
            let (modulation, statistics, upstream, out, accumulate) = (x, x, x, x, false);
            LayerNormModulateBackward { x, modulation, statistics, upstream, out, sequence, scale, accumulate }
                .launch(stream)
        });
    });
}

/// B · D above what a row of workgroups of 64 takes; as few tokens as can be told apart.
const FOLDED_COLUMNS: [usize; 3] = [2, 2, FOLDED.div_ceil(2)];

/// The cases of [`modulated`], and one whose launch over (item, column) is folded.
fn modulated_columns(columns_of: usize) -> impl Iterator<Item = Case> {
    modulated(columns_of).chain([case(FOLDED_COLUMNS, |d| [2 * d, 0, d], 1, columns_of)])
}

fn modulation_backward_trial(variant: OfModulation, shape: Modulated, [shift, scale]: [usize; 2], seed: u64) -> Trial {
    let values = rows(&shape, 1.0, seed);
    let statistics = shape.statistics(&values, 1e-6);
    let mut tolerance = Tolerance::sum(4 * shape.tokens);
    tolerance.absolute *= f64::max(1.0, worst_offset(&statistics) / 10.0);
    Trial::new(format!("modulation_backward {shape:?}, shift {shift}, scale {scale}"))
        .reads("x", values)
        .reads("statistics", narrow(&statistics))
        .reads("upstream", Values::new(seed + 1).normal(shape.len()))
        .changes("out", Values::new(seed + 2).normal(shape.batch * shape.modulation_width), tolerance)
        .launch(move |bench, b| {
            let [x, statistics, upstream, out] = b else { panic!("four buffers") };
            let sequence = sequence(&shape);
            let launch = ModulationBackward { x, statistics, upstream, out, sequence, shift, scale };
            variant(&launch, &mut bench.stream)
        })
        .oracle(move |a| vec![sum(&a[3], &shape.modulation_backward(&a[0], &a[1], &a[2], shift, scale))])
}

fn modulation_backward_values(bench: &mut Bench, variant: OfModulation, columns_of: usize) {
    let trial = |(shape, shift, scale, seed)| modulation_backward_trial(variant, shape, [shift, scale], seed);
    for case in modulated_columns(columns_of) {
        trial(case).check(bench);
    }
    random_cases(bench, 32, random_modulated(columns_of), |bench, case| trial(case).check(bench));
    let small = case([2, 3, 17], BESIDE_OTHERS, 1, columns_of);
    for magnitude in [1e-4, 1e4] {
        trial(small).scaled(magnitude, &["upstream", "out"], 1).check(bench);
    }
    trial(small).check_tiny(bench);
    trial(small).poison(bench);
}

#[test]
pub fn modulation_backward_pairs() {
    for_kernel("modulation_backward_pairs", |bench| {
        if bench.has_wide_integers() {
            modulation_backward_values(bench, |launch, stream| launch.launch_pairs(stream), EIGHT);
        }
        let [x, statistics, upstream, out] = [30, 12, 30, 20].map(|len| bench.output(len));
        let (x, statistics, upstream, out) = (&x, &statistics, &upstream, &out);
        let (sequence, shift, scale) = (SMALL, 0, 5);
        let launched =
            ModulationBackward { x, statistics, upstream, out, sequence, shift, scale }.launch_pairs(&mut bench.stream);
        expect_refusal(launched, "5 columns", &said_of_odd_sizes(bench));
    });
}

#[test]
pub fn modulation_backward() {
    for_kernel("modulation_backward", |bench| {
        modulation_backward_values(bench, |launch, stream| launch.launch_portable(stream), 1);
        let (x, out, statistics) = (bench.output(2 * 3 * 5), bench.output(2 * 10), bench.output(2 * 3 * 2));
        let launch = ModulationBackward {
            x: &x,
            statistics: &statistics,
            upstream: &x,
            out: &out,
            sequence: SMALL,
            shift: 0,
            scale: 5,
        };
        refuses_buffers!(bench, launch, ModulationBackward { x, statistics, upstream, out });
        let mut refuses = |shift, scale, what: &str, said: &[&str]| {
            expect_refusal(ModulationBackward { shift, scale, ..launch }.launch(&mut bench.stream), what, said);
        };
        refuses(6, 0, "a shift that leaves the modulation", &["`shift`", "5 columns from 6", "10"]);
        refuses(0, 6, "a scale that leaves the modulation", &["`scale`", "5 columns from 6", "10"]);
        refuses(1, 5, "a shift that overlaps the scale", &["`shift` and `scale`", "from 1 and from 5"]);
        refuses_sizes(bench, |stream, x, [batch, tokens, width, modulation_width, shift, scale]| {
            let sequence = Sequence { batch, tokens, width, modulation_width };
            ModulationBackward { x, statistics: x, upstream: x, out: x, sequence, shift, scale }.launch(stream)
        });
    });
}

fn gate_backward_trial(variant: OfGate, shape: Modulated, gate: usize, seed: u64) -> Trial {
    let mut values = Values::new(seed);
    let modulation = shape.batch * shape.modulation_width;
    Trial::new(format!("gate_backward {shape:?}, gate {gate}"))
        .reads("y", values.normal(shape.len()))
        .reads("modulation", values.normal(modulation))
        .reads("upstream", values.normal(shape.len()))
        .writes("out_y", shape.len(), Tolerance::ROUNDING)
        .changes("out_modulation", values.normal(modulation), Tolerance::sum(shape.tokens))
        .launch(move |bench, b| {
            let [y, modulation, upstream, out_y, out_modulation] = b else { panic!("five buffers") };
            let sequence = sequence(&shape);
            let launch = GateBackward { y, modulation, upstream, out_y, out_modulation, sequence, gate };
            variant(&launch, &mut bench.stream)
        })
        .oracle(move |a| {
            let (in_y, in_modulation) = shape.gate_backward(&a[0], &a[1], &a[2], gate);
            vec![in_y, sum(&a[4], &in_modulation)]
        })
}

fn gate_backward_values(bench: &mut Bench, variant: OfGate, columns_of: usize) {
    let trial = |(shape, _, gate, seed)| gate_backward_trial(variant, shape, gate, seed);
    for case in modulated_columns(columns_of) {
        trial(case).check(bench);
    }
    random_cases(bench, 32, random_modulated(columns_of), |bench, case| trial(case).check(bench));
    let small = case([2, 3, 17], BESIDE_OTHERS, 1, columns_of);
    for magnitude in [1e-4, 1e4] {
        trial(small).scaled(magnitude, &["upstream", "out_modulation"], 1).check(bench);
    }
    trial(small).check_tiny(bench);
    trial(small).poison(bench);
}

#[test]
pub fn gate_backward_pairs() {
    for_kernel("gate_backward_pairs", |bench| {
        if bench.has_wide_integers() {
            gate_backward_values(bench, |launch, stream| launch.launch_pairs(stream), EIGHT);
        }
        let [y, modulation, upstream, out_y, out_modulation] = [30, 20, 30, 30, 20].map(|len| bench.output(len));
        let (y, modulation, upstream, out_y) = (&y, &modulation, &upstream, &out_y);
        let (out_modulation, sequence, gate) = (&out_modulation, SMALL, 5);
        let launched = GateBackward { y, modulation, upstream, out_y, out_modulation, sequence, gate }
            .launch_pairs(&mut bench.stream);
        expect_refusal(launched, "5 columns", &said_of_odd_sizes(bench));
    });
}

#[test]
pub fn gate_backward() {
    for_kernel("gate_backward", |bench| {
        gate_backward_values(bench, |launch, stream| launch.launch_portable(stream), 1);
        let (y, modulation) = (bench.output(2 * 3 * 5), bench.output(2 * 10));
        let launch = GateBackward {
            y: &y,
            modulation: &modulation,
            upstream: &y,
            out_y: &y,
            out_modulation: &modulation,
            sequence: SMALL,
            gate: 5,
        };
        refuses_buffers!(bench, launch, GateBackward { y, modulation, upstream, out_y, out_modulation });
        for gate in [6, usize::MAX] {
            let outside = GateBackward { gate, ..launch }.launch(&mut bench.stream);
            expect_refusal(outside, "a gate that leaves the modulation", &["`gate`", &gate.to_string(), "10"]);
        }
        refuses_sizes(bench, |stream, x, [batch, tokens, width, modulation_width, gate]| {
            let sequence = Sequence { batch, tokens, width, modulation_width };
            GateBackward { y: x, modulation: x, upstream: x, out_y: x, out_modulation: x, sequence, gate }
                .launch(stream)
        });
    });
}
