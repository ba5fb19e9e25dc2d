//! Group N, without the matrix product.

use kernels::{
    Add, Attention, AttentionBackward, ColumnSum, Fill, GateBackward, GeluBackward, Heads, LayerNormModulate,
    LayerNormModulateBackward, ModulationBackward, Sequence, Silu, SiluBackward,
};
use tests::harness::{Tolerance, Values, for_kernel};
use tests::oracle::{self, narrow, network::Modulated, sum};

use super::{FOLDED, LENGTHS, expect_refusal, output};

#[test]
pub fn fill() {
    for_kernel("fill", |bench| {
        for len in LENGTHS {
            let out = bench.output(len);
            Fill { out: &out, value: -1.5e-4 }.launch(&mut bench.stream).unwrap();
            bench.expect(format_args!("fill ({len})"), &out, &vec![f64::from(-1.5e-4_f32); len], Tolerance::EXACT);
        }
        let empty = bench.output(0);
        expect_refusal(Fill { out: &empty, value: 1.0 }.launch(&mut bench.stream), "filling nothing");
    });
}

#[test]
pub fn add() {
    let tolerance = Tolerance::new(0.0, 1e-7, "one rounding");
    for_kernel("add", |bench| {
        for len in LENGTHS {
            let mut values = Values::new(len as u64);
            let (x, before) = (values.spread(len), values.spread(len));
            let (on_device, out) = (bench.upload(&x), bench.upload(&before));
            Add { x: &on_device, out: &out }.launch(&mut bench.stream).unwrap();
            bench.expect(format_args!("add ({len})"), &out, &sum(&before, &oracle::wide(&x)), tolerance);
        }
        let x = bench.output(3);
        refuses_buffers!(bench, Add { x: &x, out: &x }, Add { x, out });
    });
}

/// What activations meet: all magnitudes, the bends around zero, and the edges of exp and tanh.
fn activations(len: usize) -> Vec<f32> {
    const EXTREMES: [f32; 16] =
        [0.0, -0.0, 9.9, -9.9, 10.1, -10.1, 15.2, -15.2, 87.0, -87.0, 88.6, -88.6, 100.0, -100.0, 1e10, -1e10];
    let mut values = Values::new(len as u64);
    let bends = values.uniform(-8.0, 8.0, len);
    let mut x = values.spread(len);
    x.iter_mut().zip(bends).step_by(2).for_each(|(x, bend)| *x = bend);
    if len > 1000 {
        x[7..][..EXTREMES.len()].copy_from_slice(&EXTREMES);
    }
    x
}

#[test]
pub fn silu() {
    let tolerance = Tolerance::new(
        1e-35,
        1e-5,
        "drivers' exp is off by up to 3e-6 (SwiftShader), and 0 below the smallest normal number",
    );
    for_kernel("silu", |bench| {
        for len in LENGTHS {
            let values = activations(len);
            let (x, out) = (bench.upload(&values), bench.output(len));
            Silu { x: &x, out: &out }.launch(&mut bench.stream).unwrap();
            let want: Vec<f64> = values.iter().map(|x| oracle::network::silu(f64::from(*x))).collect();
            bench.expect(format_args!("silu ({len})"), &out, &want, tolerance);
        }
        let x = bench.output(3);
        refuses_buffers!(bench, Silu { x: &x, out: &x }, Silu { x, out });
    });
}

#[test]
pub fn silu_backward() {
    let tolerance = Tolerance::new(2e-5, 1e-5, "as silu, but 1 - sigmoid cancels, and upstream is up to 7");
    for_kernel("silu_backward", |bench| {
        for (len, accumulate) in LENGTHS.iter().flat_map(|len| [(*len, false), (*len, true)]) {
            let (values, gradient) = (activations(len), Values::new(5).normal(len));
            let (x, upstream) = (bench.upload(&values), bench.upload(&gradient));
            let (out, before) = output(bench, accumulate, len);
            SiluBackward { x: &x, upstream: &upstream, out: &out, accumulate }.launch(&mut bench.stream).unwrap();
            let want = sum(&before, &oracle::network::silu_backward(&values, &gradient));
            bench.expect(format_args!("silu_backward ({len}), accumulate {accumulate}"), &out, &want, tolerance);
        }
        let x = bench.output(3);
        let launch = SiluBackward { x: &x, upstream: &x, out: &x, accumulate: false };
        refuses_buffers!(bench, launch, SiluBackward { x, upstream, out });
    });
}

#[test]
pub fn gelu_backward() {
    let tolerance = Tolerance::new(
        2e-5,
        1e-5,
        "drivers' tanh is good to about 1e-6, and (1 - tanh²) · x · slope amplifies it by up to 10",
    );
    for_kernel("gelu_backward", |bench| {
        for len in LENGTHS {
            let (values, gradient) = (activations(len), Values::new(6).normal(len));
            let (x, upstream, out) = (bench.upload(&values), bench.upload(&gradient), bench.output(len));
            GeluBackward { x: &x, upstream: &upstream, out: &out }.launch(&mut bench.stream).unwrap();
            let want = oracle::network::gelu_backward(&values, &gradient);
            bench.expect(format_args!("gelu_backward ({len})"), &out, &want, tolerance);
        }
        let x = bench.output(3);
        refuses_buffers!(bench, GeluBackward { x: &x, upstream: &x, out: &x }, GeluBackward { x, upstream, out });
    });
}

#[test]
pub fn column_sum() {
    let shapes = [
        (1, 1),
        (1, 5),
        (3, 1),
        (2, 3),
        (7, 33),
        (8, 32),
        (9, 31),
        (64, 64),
        (257, 67),
        (147, 128),
        (3, 1027),
        (588, 256),
    ];
    for_kernel("column_sum", |bench| {
        for ((rows, columns), accumulate) in shapes.iter().flat_map(|shape| [(*shape, false), (*shape, true)]) {
            let values = Values::new((rows * columns) as u64).normal(rows * columns);
            let x = bench.upload(&values);
            let (out, before) = output(bench, accumulate, columns);
            let scale = -0.75;
            ColumnSum { x: &x, out: &out, rows, columns, scale, accumulate }.launch(&mut bench.stream).unwrap();
            let want = sum(&before, &oracle::network::column_sum(&values, columns, scale));
            let case = format_args!("column_sum ({rows}, {columns}), accumulate {accumulate}");
            bench.expect(case, &out, &want, Tolerance::sum(rows));
        }
        let (x, out) = (bench.output(6), bench.output(3));
        let launch = ColumnSum { x: &x, out: &out, rows: 2, columns: 3, scale: 1.0, accumulate: false };
        refuses_buffers!(bench, launch, ColumnSum { x, out });
    });
}

/// Where shift and scale (or gate, as the second) lie in how wide a modulation, for a width.
const CHUNKS: [fn(usize) -> [usize; 3]; 5] = [
    |d| [6 * d, 0, d],
    |d| [6 * d, 3 * d, 4 * d],
    |d| [6 * d, 5 * d, 2 * d],
    |d| [2 * d, d, 0],
    |d| [2 * d + 5, 1, d + 3],
];

/// B, T, D: ones, primes, each of the three the smallest, around the 64 lanes of a workgroup, the presets'.
const SEQUENCES: [[usize; 3]; 10] = [
    [1, 1, 1],
    [2, 3, 5],
    [7, 5, 3],
    [3, 7, 17],
    [5, 13, 67],
    [2, 65, 64],
    [3, 31, 129],
    [1, 1, 300],
    [3, 49, 128],
    [2, 196, 256],
];

/// Every sequence with every place of the chunks, as (shape, first chunk, second chunk, seed).
fn modulated() -> impl Iterator<Item = (Modulated, usize, usize, u64)> {
    let all = SEQUENCES.iter().flat_map(|sequence| CHUNKS.iter().map(move |chunks| (sequence, chunks(sequence[2]))));
    all.zip(1..).map(|(([batch, tokens, width], [modulation_width, first, second]), seed)| {
        let shape = Modulated { batch: *batch, tokens: *tokens, width: *width, modulation_width };
        (shape, first, second, seed)
    })
}

fn sequence(shape: &Modulated) -> Sequence {
    let Modulated { batch, tokens, width, modulation_width } = *shape;
    Sequence { batch, tokens, width, modulation_width }
}

/// Rows with deviations near `magnitude` and means three times that, of either sign.
fn rows(shape: &Modulated, magnitude: f32, seed: u64) -> Vec<f32> {
    let offset = |i: usize| if (i / shape.width).is_multiple_of(2) { 3.0 } else { -3.0 };
    let values = Values::new(seed).normal(shape.len());
    values.iter().enumerate().map(|(i, value)| magnitude * (value + offset(i))).collect()
}

/// At 1e-3 the variance is like DiT's epsilon, and both count.
const MAGNITUDES: [f32; 3] = [1e-3, 1.0, 1e4];

fn layer_norm_modulate_case(
    bench: &mut tests::harness::Bench,
    shape: &Modulated,
    [shift, scale]: [usize; 2],
    magnitude: f32,
    seed: u64,
) {
    let epsilon = if seed.is_multiple_of(2) { 1e-6 } else { 1e-5 };
    let values = rows(shape, magnitude, seed);
    let modulations = Values::new(seed + 1).normal(shape.batch * shape.modulation_width);
    let (x, modulation) = (bench.upload(&values), bench.upload(&modulations));
    let (out, statistics) = (bench.output(shape.len()), bench.output(2 * shape.batch * shape.tokens));
    let sequence = sequence(shape);
    LayerNormModulate {
        x: &x,
        modulation: &modulation,
        out: &out,
        statistics: &statistics,
        sequence,
        shift,
        scale,
        epsilon,
    }
    .launch(&mut bench.stream)
    .unwrap();
    let case = format!("layer_norm_modulate {shape:?}, shift {shift}, scale {scale}, magnitude {magnitude}");
    let tolerance = Tolerance::new(
        1e-5,
        1e-5,
        "the mean is three deviations off zero and rounds to 2e-7 of it, which a factor up to 5 scales; the reciprocal root on GPUs is good to 2 units in the last place",
    );
    let want = shape.layer_norm_modulate(&values, &modulations, shift, scale, epsilon);
    bench.expect(&case, &out, &want, tolerance);
    let tolerance = Tolerance::new(0.0, 1e-5, "means and reciprocal deviations are far from zero");
    bench.expect(format_args!("statistics of {case}"), &statistics, &shape.statistics(&values, epsilon), tolerance);
}

#[test]
pub fn layer_norm_modulate() {
    for_kernel("layer_norm_modulate", |bench| {
        for (shape, shift, scale, seed) in modulated() {
            for magnitude in MAGNITUDES {
                layer_norm_modulate_case(bench, &shape, [shift, scale], magnitude, seed);
            }
        }
        // More rows than workgroups in a row of them.
        let folded = Modulated { batch: 2, tokens: 33_001, width: 17, modulation_width: 34 };
        layer_norm_modulate_case(bench, &folded, [17, 0], 1.0, 1);

        let (x, modulation, statistics) = (bench.output(2 * 3 * 5), bench.output(2 * 10), bench.output(2 * 3 * 2));
        let sequence = Sequence { batch: 2, tokens: 3, width: 5, modulation_width: 10 };
        let launch = LayerNormModulate {
            x: &x,
            modulation: &modulation,
            out: &x,
            statistics: &statistics,
            sequence,
            shift: 0,
            scale: 5,
            epsilon: 1e-6,
        };
        refuses_buffers!(bench, launch, LayerNormModulate { x, modulation, out, statistics });
        expect_refusal(
            LayerNormModulate { shift: 6, ..launch }.launch(&mut bench.stream),
            "a shift that leaves the modulation",
        );
        expect_refusal(
            LayerNormModulate { scale: 6, ..launch }.launch(&mut bench.stream),
            "a scale that leaves the modulation",
        );
    });
}

fn layer_norm_modulate_backward_case(
    bench: &mut tests::harness::Bench,
    shape: &Modulated,
    scale: usize,
    magnitude: f32,
    accumulate: bool,
    seed: u64,
) {
    let values = rows(shape, magnitude, seed);
    let modulations = Values::new(seed + 1).normal(shape.batch * shape.modulation_width);
    let (statistic, gradient) = (narrow(&shape.statistics(&values, 1e-6)), Values::new(seed + 2).normal(shape.len()));
    let (x, modulation) = (bench.upload(&values), bench.upload(&modulations));
    let (statistics, upstream) = (bench.upload(&statistic), bench.upload(&gradient));
    // Gradients grow as rows shrink: what is there before is given their size.
    let size = statistic[1];
    let before: Vec<f32> = Values::new(seed + 3).normal(shape.len()).iter().map(|value| size * value).collect();
    let out = if accumulate { bench.upload(&before) } else { bench.output(shape.len()) };
    LayerNormModulateBackward {
        x: &x,
        modulation: &modulation,
        statistics: &statistics,
        upstream: &upstream,
        out: &out,
        sequence: sequence(shape),
        scale,
        accumulate,
    }
    .launch(&mut bench.stream)
    .unwrap();
    let gradient = shape.layer_norm_modulate_backward(&values, &modulations, &statistic, &gradient, scale);
    let want = if accumulate { sum(&before, &gradient) } else { gradient };
    let case = format_args!(
        "layer_norm_modulate_backward {shape:?}, scale {scale}, magnitude {magnitude}, accumulate {accumulate}"
    );
    let tolerance = Tolerance::new(2e-5 * f64::from(size), 1e-5, "terms near 10 times the reciprocal deviation cancel");
    bench.expect(case, &out, &want, tolerance);
}

#[test]
pub fn layer_norm_modulate_backward() {
    for_kernel("layer_norm_modulate_backward", |bench| {
        for (shape, _, scale, seed) in modulated() {
            for magnitude in MAGNITUDES {
                for accumulate in [false, true] {
                    layer_norm_modulate_backward_case(bench, &shape, scale, magnitude, accumulate, seed);
                }
            }
        }
        let folded = Modulated { batch: 2, tokens: 33_001, width: 17, modulation_width: 34 };
        layer_norm_modulate_backward_case(bench, &folded, 17, 1.0, true, 1);

        let (x, modulation, statistics) = (bench.output(2 * 3 * 5), bench.output(2 * 10), bench.output(2 * 3 * 2));
        let launch = LayerNormModulateBackward {
            x: &x,
            modulation: &modulation,
            statistics: &statistics,
            upstream: &x,
            out: &x,
            sequence: Sequence { batch: 2, tokens: 3, width: 5, modulation_width: 10 },
            scale: 5,
            accumulate: false,
        };
        refuses_buffers!(bench, launch, LayerNormModulateBackward { x, modulation, statistics, upstream, out });
        let outside = LayerNormModulateBackward { scale: 6, ..launch }.launch(&mut bench.stream);
        expect_refusal(outside, "a scale that leaves the modulation");
    });
}

/// B · D above what a row of workgroups of 64 takes; as few tokens as can be told apart.
const FOLDED_COLUMNS: [usize; 3] = [2, 2, FOLDED.div_ceil(2)];

/// The shapes of [`modulated`], and one whose launch over (item, column) is folded.
fn modulated_columns() -> impl Iterator<Item = (Modulated, usize, usize, u64)> {
    let [batch, tokens, width] = FOLDED_COLUMNS;
    let folded = Modulated { batch, tokens, width, modulation_width: 2 * width };
    modulated().chain([(folded, 0, width, 1)])
}

#[test]
pub fn modulation_backward() {
    for_kernel("modulation_backward", |bench| {
        for (shape, shift, scale, seed) in modulated_columns() {
            let (values, gradient) = (rows(&shape, 1.0, seed), Values::new(seed + 1).normal(shape.len()));
            let statistic = narrow(&shape.statistics(&values, 1e-6));
            let (x, statistics) = (bench.upload(&values), bench.upload(&statistic));
            let upstream = bench.upload(&gradient);
            let (out, before) = output(bench, true, shape.batch * shape.modulation_width);
            let sequence = sequence(&shape);
            ModulationBackward {
                x: &x,
                statistics: &statistics,
                upstream: &upstream,
                out: &out,
                sequence,
                shift,
                scale,
            }
            .launch(&mut bench.stream)
            .unwrap();
            let want = sum(&before, &shape.modulation_backward(&values, &statistic, &gradient, shift, scale));
            let case = format_args!("modulation_backward {shape:?}, shift {shift}, scale {scale}");
            bench.expect(case, &out, &want, Tolerance::sum(4 * shape.tokens));
        }
        let (x, out, statistics) = (bench.output(2 * 3 * 5), bench.output(2 * 10), bench.output(2 * 3 * 2));
        let sequence = Sequence { batch: 2, tokens: 3, width: 5, modulation_width: 10 };
        let launch = ModulationBackward {
            x: &x,
            statistics: &statistics,
            upstream: &x,
            out: &out,
            sequence,
            shift: 0,
            scale: 5,
        };
        refuses_buffers!(bench, launch, ModulationBackward { x, statistics, upstream, out });
        expect_refusal(
            ModulationBackward { shift: 6, ..launch }.launch(&mut bench.stream),
            "a shift that leaves the modulation",
        );
        expect_refusal(
            ModulationBackward { shift: 1, ..launch }.launch(&mut bench.stream),
            "a shift that overlaps the scale",
        );
        expect_refusal(
            ModulationBackward { scale: 6, ..launch }.launch(&mut bench.stream),
            "a scale that leaves the modulation",
        );
    });
}

#[test]
pub fn gate_backward() {
    for_kernel("gate_backward", |bench| {
        for (shape, _, gate, seed) in modulated_columns() {
            let mut random = Values::new(seed);
            let (values, gradient) = (random.normal(shape.len()), random.normal(shape.len()));
            let modulations = random.normal(shape.batch * shape.modulation_width);
            let (y, upstream) = (bench.upload(&values), bench.upload(&gradient));
            let (modulation, out_y) = (bench.upload(&modulations), bench.output(shape.len()));
            let (out_modulation, before) = output(bench, true, modulations.len());
            GateBackward {
                y: &y,
                modulation: &modulation,
                upstream: &upstream,
                out_y: &out_y,
                out_modulation: &out_modulation,
                sequence: sequence(&shape),
                gate,
            }
            .launch(&mut bench.stream)
            .unwrap();
            let (in_y, in_modulation) = shape.gate_backward(&values, &modulations, &gradient, gate);
            let case = format!("gate_backward {shape:?}, gate {gate}");
            bench.expect(format_args!("out_y of {case}"), &out_y, &in_y, Tolerance::ROUNDING);
            bench.expect(case, &out_modulation, &sum(&before, &in_modulation), Tolerance::sum(shape.tokens));
        }
        let (y, modulation) = (bench.output(2 * 3 * 5), bench.output(2 * 10));
        let launch = GateBackward {
            y: &y,
            modulation: &modulation,
            upstream: &y,
            out_y: &y,
            out_modulation: &modulation,
            sequence: Sequence { batch: 2, tokens: 3, width: 5, modulation_width: 10 },
            gate: 5,
        };
        refuses_buffers!(bench, launch, GateBackward { y, modulation, upstream, out_y, out_modulation });
        expect_refusal(
            GateBackward { gate: 6, ..launch }.launch(&mut bench.stream),
            "a gate that leaves the modulation",
        );
    });
}

/// B, T, H, Dh and what the values are multiplied with: 6 gives scores beyond what exp takes, unless
/// a large one is subtracted first, and 40 unless it is the largest.
const HEADS: [([usize; 4], f32); 13] = [
    ([2, 5, 2, 8], 40.0),
    ([1, 1, 1, 4], 1.0),
    ([2, 3, 2, 4], 1.0),
    ([1, 7, 3, 8], 6.0),
    ([3, 17, 5, 4], 1.0),
    ([2, 50, 3, 12], 1.0),
    ([1, 64, 2, 32], 6.0),
    ([2, 65, 2, 16], 1.0),
    ([3, 49, 4, 32], 1.0),
    ([1, 97, 1, 128], 1.0),
    ([1, 196, 4, 64], 1.0),
    ([1, 196, 8, 32], 6.0),
    ([1, 1300, 1, 4], 1.0),
];

const SMALL_HEADS: Heads = Heads { batch: 2, tokens: 3, heads: 2, head_dim: 4 };

fn heads_of(shape: &oracle::network::Attention) -> Heads {
    let oracle::network::Attention { batch, tokens, heads, head_dim } = *shape;
    Heads { batch, tokens, heads, head_dim }
}

fn attention_tolerance(magnitude: f32, factor: f64) -> Tolerance {
    let relative = if magnitude > 1.0 { 1e-4 } else { 5e-6 };
    let reason = "scores near 1 are good to 1e-6, and large ones to 2e-7 of themselves, which is then the relative \
                  error of what exp makes of them; times a sum that is as large as the values";
    Tolerance::new(relative * factor, relative, reason)
}

#[test]
pub fn attention() {
    for_kernel("attention", |bench| {
        for ([batch, tokens, heads, head_dim], magnitude) in HEADS {
            let shape = oracle::network::Attention { batch, tokens, heads, head_dim };
            let values: Vec<f32> = Values::new(tokens as u64)
                .normal(batch * tokens * 3 * shape.width())
                .iter()
                .map(|value| magnitude * value)
                .collect();
            let qkv = bench.upload(&values);
            let (out, log_sum) = (bench.output(batch * tokens * shape.width()), bench.output(batch * heads * tokens));
            Attention { qkv: &qkv, out: &out, log_sum: &log_sum, heads: heads_of(&shape) }
                .launch(&mut bench.stream)
                .unwrap();
            let (want, want_log_sum) = shape.forward(&values);
            let case = format!("attention {shape:?}, magnitude {magnitude}");
            bench.expect(
                format_args!("log_sum of {case}"),
                &log_sum,
                &want_log_sum,
                Tolerance::new(5e-6, 2e-6, "the largest score is added exactly; the logarithm of a sum of roundings"),
            );
            bench.expect(case, &out, &want, attention_tolerance(magnitude, f64::from(magnitude)));
        }
        let (qkv, out, log_sum) = (bench.output(2 * 3 * 24), bench.output(2 * 3 * 8), bench.output(2 * 2 * 3));
        let launch = Attention { qkv: &qkv, out: &out, log_sum: &log_sum, heads: SMALL_HEADS };
        refuses_buffers!(bench, launch, Attention { qkv, out, log_sum });
        let odd =
            Attention { heads: Heads { heads: 4, head_dim: 2, ..SMALL_HEADS }, ..launch }.launch(&mut bench.stream);
        expect_refusal(odd, "a head of 2 columns");
        // A row of scores has to fit 16 KiB of workgroup memory.
        let mut with_tokens = |tokens: usize| {
            let (qkv, out, log_sum) = (bench.output(tokens * 12), bench.output(tokens * 4), bench.output(tokens));
            let heads = Heads { batch: 1, tokens, heads: 1, head_dim: 4 };
            Attention { qkv: &qkv, out: &out, log_sum: &log_sum, heads }.launch(&mut bench.stream)
        };
        with_tokens(4096).unwrap();
        expect_refusal(with_tokens(4097), "4097 tokens");
    });
}

#[test]
pub fn attention_backward() {
    for_kernel("attention_backward", |bench| {
        // Above 10 an f32 has not the digits to recompute weights from their logarithm.
        for ([batch, tokens, heads, head_dim], magnitude) in
            HEADS.into_iter().filter(|(_, magnitude)| *magnitude < 10.0)
        {
            let shape = oracle::network::Attention { batch, tokens, heads, head_dim };
            let mut random = Values::new(tokens as u64);
            let values: Vec<f32> =
                random.normal(batch * tokens * 3 * shape.width()).iter().map(|value| magnitude * value).collect();
            let gradient = random.normal(batch * tokens * shape.width());
            let (forward, forward_log_sum) = shape.forward(&values);
            let (qkv, output) = (bench.upload(&values), bench.upload(&narrow(&forward)));
            let (log_sum, upstream) = (bench.upload(&narrow(&forward_log_sum)), bench.upload(&gradient));
            let out = bench.output(values.len());
            AttentionBackward {
                qkv: &qkv,
                output: &output,
                log_sum: &log_sum,
                upstream: &upstream,
                out: &out,
                heads: heads_of(&shape),
            }
            .launch(&mut bench.stream)
            .unwrap();
            let case = format_args!("attention_backward {shape:?}, magnitude {magnitude}");
            // Gradients of scores are differences of dot products of √Dh · magnitude, and
            // multiplied with values of that magnitude.
            let factor = f64::from(magnitude).powi(2) * (head_dim as f64).sqrt();
            bench.expect(case, &out, &shape.backward(&values, &gradient), attention_tolerance(magnitude, factor));
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
        expect_refusal(odd.launch(&mut bench.stream), "a head of 2 columns");
        // Three rows have to fit.
        let mut with_tokens = |tokens: usize| {
            let (qkv, output, log_sum) = (bench.output(tokens * 12), bench.output(tokens * 4), bench.output(tokens));
            let (out, heads) = (bench.output(tokens * 12), Heads { batch: 1, tokens, heads: 1, head_dim: 4 });
            AttentionBackward { qkv: &qkv, output: &output, log_sum: &log_sum, upstream: &output, out: &out, heads }
                .launch(&mut bench.stream)
        };
        with_tokens(1364).unwrap();
        expect_refusal(with_tokens(1365), "1365 tokens");
    });
}
