//! Group N: the matrix product.

use kernels::{Epilogue, Layout, MatMul, Tile, Variant};
use runtime::{Half, MatrixSize};
use tests::harness::{Bench, Tolerance, Values, for_half_kernel, for_kernel, on_each_device};
use tests::oracle::network::{self as oracle, add_bias};
use tests::oracle::sum;

use super::linear::cases_together;
use super::presets::presets;
use super::random::{magnitude, random_cases, seed, size};
use super::refusals::{expect_refusal, refuses_buffers, refuses_sizes};
use super::trial::Trial;

/// The epilogues by name, those that can save a·b + bias with and without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Overwrite,
    Add,
    Bias,
    Gelu {
        save: bool,
    },
    /// The first factor of n gives the modulation's width, the second where the gate is.
    GateResidual {
        save: bool,
        width: usize,
        gate: usize,
    },
    GeluBackward,
}

const ENDS: [End; 9] = [
    End::Overwrite,
    End::Add,
    End::Bias,
    End::Gelu { save: false },
    End::Gelu { save: true },
    End::GateResidual { save: false, width: 6, gate: 2 },
    End::GateResidual { save: true, width: 6, gate: 5 },
    End::GateResidual { save: true, width: 2, gate: 0 },
    End::GeluBackward,
];

const LAYOUTS: [Layout; 3] = [Layout::Plain, Layout::BTransposed, Layout::ATransposed];

fn name(variant: Variant) -> &'static str {
    match variant {
        Variant::Portable => "matmul",
        Variant::Register => "matmul_register",
        Variant::Subgroup => "matmul_subgroup",
        Variant::Wide { .. } => "matmul_wide",
        Variant::Half => "matmul_f16",
        Variant::Cooperative(MatrixSize::Eight) => "matmul_cooperative_8",
        Variant::Cooperative(MatrixSize::Sixteen) => "matmul_cooperative_16",
    }
}

fn in_oracle(layout: Layout) -> oracle::Layout {
    match layout {
        Layout::Plain => oracle::Layout::NN,
        Layout::BTransposed => oracle::Layout::NT,
        Layout::ATransposed => oracle::Layout::TN,
    }
}

/// b is divided by √k, so that results are near 1: where GELU bends.
const TOLERANCE: Tolerance =
    Tolerance::new(1e-5, 1e-5, "a rounding of each of k terms that add up to something near 1, and GELU's own 1e-6");

/// As [`TOLERANCE`], times a derivative.
const TOLERANCE_OF_GRADIENTS: Tolerance = Tolerance::new(
    2e-5,
    1e-5,
    "a rounding of each of k terms, times GELU's derivative: drivers' tanh is good to about 1e-6, and \
     (1 - tanh²) · x · slope amplifies it by up to 10",
);

/// Whether a variant rounds its operands to 16 bits.
fn rounds(variant: Variant) -> bool {
    matches!(variant, Variant::Half | Variant::Cooperative(_))
}

/// The nearest number that both f16 and bfloat16 hold, zero for those below 2^-14: what rounding leaves as it is.
pub(super) fn in_half(value: f32) -> f32 {
    // 7 of the 23 bits of the fraction stay.
    let nearest = f32::from_bits((value.to_bits() + (1 << 15)) & !((1 << 16) - 1));
    if nearest.abs() < 2.0_f32.powi(-14) { 0.0 } else { nearest }
}

fn matmul_trial(variant: Variant, [m, n, k]: [usize; 3], layout: Layout, end: End, seed: u64) -> Trial {
    let mut values = Values::new(seed);
    let mut lefts = values.normal(m * k);
    let mut rights: Vec<f32> = values.normal(k * n).iter().map(|value| value / (k as f32).sqrt()).collect();
    if rounds(variant) {
        // Products of such operands are exact in f32: these variants are then as exact as the others.
        lefts.iter_mut().chain(&mut rights).for_each(|value| *value = in_half(*value));
    }
    let (biases, residuals) = (values.normal(n), values.normal(m * n));
    // The most rows that share a gate without all of them sharing it.
    let tokens = (1..m).rev().find(|tokens| m.is_multiple_of(*tokens)).unwrap_or(1);
    // A gate at a column that is no multiple of 4, as it may well be.
    let (modulation_width, gate) = match end {
        End::GateResidual { width, gate, .. } => (width * n + 3, gate * n + 3),
        _ => (n, 0),
    };
    let modulations = values.normal(m / tokens * modulation_width);
    let before = (end == End::Add).then(|| values.normal(m * n));
    let save = matches!(end, End::Gelu { save: true } | End::GateResidual { save: true, .. });
    let trial = Trial::new(format!("{} ({m}, {n}, {k}), {layout:?}, {end:?}", name(variant)))
        .reads("a", lefts)
        .reads("b", rights)
        .reads("bias", biases)
        .reads("residual", residuals)
        .reads("modulation", modulations)
        .accumulates("out", before, m * n, if end == End::GeluBackward { TOLERANCE_OF_GRADIENTS } else { TOLERANCE });
    let trial = if save { trial.writes("saved", m * n, TOLERANCE) } else { trial };
    trial
        .launch(move |bench, buffers| {
            let [a, b, bias, residual, modulation, out, rest @ ..] = buffers else { panic!("six buffers or seven") };
            let saved = rest.first();
            let epilogue = match end {
                End::Overwrite => Epilogue::Overwrite,
                End::Add => Epilogue::Add,
                End::Bias => Epilogue::Bias { bias },
                End::Gelu { .. } => Epilogue::Gelu { bias, saved },
                End::GateResidual { .. } => {
                    Epilogue::GateResidual { bias, residual, modulation, modulation_width, gate, tokens, saved }
                }
                End::GeluBackward => Epilogue::GeluBackward { x: residual },
            };
            MatMul { a, b, out, layout, m, n, k, epilogue }.launch_variant(&mut bench.stream, variant)
        })
        .oracle(move |arrays| {
            let [a, b, bias, residual, modulation, out, ..] = arrays else { panic!("six arrays or seven") };
            let product = oracle::matmul(in_oracle(layout), a, b, [m, n, k]);
            let biased = add_bias(&product, bias);
            let gated = |i: usize| {
                let factor = modulation[i / n / tokens * modulation_width + gate + i % n];
                f64::from(residual[i]) + f64::from(factor) * biased[i]
            };
            let want = match end {
                End::Overwrite | End::Add => sum(out, &product),
                End::Bias => biased.clone(),
                End::Gelu { .. } => biased.iter().map(|x| oracle::gelu(*x)).collect(),
                End::GateResidual { .. } => (0..m * n).map(gated).collect(),
                End::GeluBackward => {
                    let slopes = residual.iter().map(|x| oracle::gelu_derivative(f64::from(*x)));
                    product.iter().zip(slopes).map(|(product, slope)| product * slope).collect()
                }
            };
            if save { vec![want, biased] } else { vec![want] }
        })
}

/// With everything that the results are linear in times a factor; it takes GELU to its ends.
fn scaled(trial: Trial, factor: f32) -> Trial {
    trial.scaled(factor, &["a", "bias", "residual", "out"], 1)
}

/// Each shape with each layout and epilogue.
fn matmul_cases(bench: &mut Bench, variant: Variant, shapes: &[[usize; 3]]) {
    for shape in shapes {
        for layout in LAYOUTS {
            if !takes(variant, *shape, layout) {
                continue;
            }
            for end in ends(variant) {
                matmul_trial(variant, *shape, layout, end, shape.iter().sum::<usize>() as u64).check(bench);
            }
        }
    }
}

/// The epilogues that a variant has.
fn ends(variant: Variant) -> Vec<End> {
    let sliced = matches!(variant, Variant::Wide { slices: 2.., .. });
    ENDS.into_iter().filter(|end| !sliced || matches!(end, End::Overwrite | End::Add)).collect()
}

/// Whether a variant reads rows as vec4s.
fn reads_vec4s(variant: Variant) -> bool {
    matches!(variant, Variant::Register | Variant::Subgroup | Variant::Wide { .. })
}

/// Whether a variant is there for a shape.
fn takes(variant: Variant, [m, n, k]: [usize; 3], layout: Layout) -> bool {
    let row_of_a = if layout == Layout::ATransposed { m } else { k };
    !reads_vec4s(variant) || (n.is_multiple_of(4) && row_of_a.is_multiple_of(4))
}

/// Every Linear of the presets, forward and both gradients, for one item of tokens, and for as many
/// items where a row is an item.
fn matmul_presets(bench: &mut Bench, variant: Variant) {
    const ITEMS: usize = 5;
    for config in presets() {
        let (tokens, d, patch) = (config.tokens(), config.width, config.patch_size());
        let gate = End::GateResidual { save: true, width: 6, gate: 5 };
        let linears = [
            ([tokens, d, patch], End::Bias),
            ([tokens, 3 * d, d], End::Bias),
            ([tokens, d, d], gate),
            ([tokens, 4 * d, d], End::Gelu { save: true }),
            ([tokens, d, 4 * d], gate),
            ([tokens, patch, d], End::Bias),
            ([ITEMS, d, 256], End::Bias),
            ([ITEMS, d, d], End::Bias),
            ([ITEMS, 6 * d, d], End::Bias),
            ([ITEMS, 2 * d, d], End::Bias),
        ];
        for ([rows, out, inner], end) in linears {
            matmul_trial(variant, [rows, out, inner], Layout::BTransposed, end, 1).check(bench);
            matmul_trial(variant, [rows, inner, out], Layout::Plain, End::Overwrite, 2).check(bench);
            if inner == 4 * d {
                matmul_trial(variant, [rows, inner, out], Layout::Plain, End::GeluBackward, 4).check(bench);
            }
            matmul_trial(variant, [out, inner, rows], Layout::ATransposed, End::Add, 3).check(bench);
        }
    }
}

/// Random shapes; variants of vec4s get multiples of 4 where they need them.
fn matmul_random(bench: &mut Bench, variant: Variant) {
    let options = (proptest::sample::select(LAYOUTS.to_vec()), proptest::sample::select(ends(variant)));
    let arguments = (size(150), size(150), size(150), options, magnitude(), seed());
    random_cases(bench, 48, arguments, |bench, (m, n, k, (layout, end), magnitude, seed)| {
        let [m, n, k] = match layout {
            _ if !reads_vec4s(variant) => [m, n, k],
            Layout::ATransposed => [m.next_multiple_of(4), n.next_multiple_of(4), k],
            _ => [m, n.next_multiple_of(4), k.next_multiple_of(4)],
        };
        let magnitude = if rounds(variant) { magnitude.clamp(1.0, 1024.0) } else { magnitude };
        scaled(matmul_trial(variant, [m, n, k], layout, end, seed), magnitude).check(bench);
    });
}

/// Magnitudes, zeros and poison, in shapes that fill no tile.
fn matmul_values(bench: &mut Bench, variant: Variant, shape: [usize; 3]) {
    // What 16 bits hold they hold times a power of two too, up to the largest.
    let factors: &[f32] = if rounds(variant) { &[2.0, 1024.0] } else { &[1e-4, 1e3, 1e4] };
    for factor in factors.iter().copied() {
        for end in ends(variant) {
            scaled(matmul_trial(variant, shape, Layout::BTransposed, end, 1), factor).check(bench);
        }
    }
    for layout in LAYOUTS {
        matmul_trial(variant, shape, layout, End::Add, 1).check_tiny(bench);
        matmul_trial(variant, shape, layout, End::Overwrite, 1).poison(bench);
        matmul_trial(variant, shape, layout, End::Add, 1).poison(bench);
    }
    let gated = End::GateResidual { save: true, width: 2, gate: 1 };
    for end in [End::Bias, End::Gelu { save: true }, gated, End::GeluBackward] {
        matmul_trial(variant, shape, Layout::BTransposed, end, 1).check_tiny(bench);
        matmul_trial(variant, shape, Layout::BTransposed, end, 1).poison(bench);
    }
}

fn matmul_sizes_refused(bench: &mut Bench, variant: Variant) {
    for layout in LAYOUTS {
        refuses_sizes(bench, |stream, x, [m, n, k]| {
            MatMul { a: x, b: x, out: x, layout, m, n, k, epilogue: Epilogue::Overwrite }
                .launch_variant(stream, variant)
        });
    }
}

/// For variants that take any shape.
const SHAPES: [[usize; 3]; 10] = [
    [1, 1, 1],
    [3, 5, 7],
    [17, 13, 11],
    [63, 1, 16],
    [64, 65, 16],
    [64, 64, 64],
    [65, 67, 63],
    [1, 70, 33],
    [130, 129, 17],
    [98, 66, 128],
];

#[test]
pub fn matmul() {
    for_kernel("matmul", |bench| {
        matmul_cases(bench, Variant::Portable, &SHAPES);
        matmul_presets(bench, Variant::Portable);
        matmul_random(bench, Variant::Portable);
        matmul_values(bench, Variant::Portable, [9, 13, 7]);

        let (a, b, out) = (bench.output(6), bench.output(12), bench.output(8));
        let (bias, modulation) = (bench.output(4), bench.output(2 * 5));
        let launch =
            MatMul { a: &a, b: &b, out: &out, layout: Layout::Plain, m: 2, n: 4, k: 3, epilogue: Epilogue::Overwrite };
        refuses_buffers!(bench, launch, MatMul { a, b, out });
        let mut refuses = |epilogue, what: &str, said: &[&str]| {
            expect_refusal(MatMul { epilogue, ..launch }.launch(&mut bench.stream), what, said);
        };
        refuses(Epilogue::Bias { bias: &out }, "a wrong bias", &["`bias` has 8", "expected 4"]);
        refuses(Epilogue::Gelu { bias: &out, saved: None }, "a wrong bias before GELU", &["`bias` has 8"]);
        let saved = Some(&b);
        refuses(Epilogue::Gelu { bias: &bias, saved }, "a wrong buffer to save to", &["`saved` has 12", "[2, 4]"]);
        let gate = |bias, residual, modulation, gate, tokens, saved| Epilogue::GateResidual {
            bias,
            residual,
            modulation,
            modulation_width: 5,
            gate,
            tokens,
            saved,
        };
        refuses(gate(&out, &out, &modulation, 1, 1, None), "a wrong bias before a gate", &["`bias` has 8"]);
        refuses(gate(&bias, &b, &modulation, 1, 1, None), "a wrong residual", &["`residual` has 12", "[2, 4]"]);
        refuses(gate(&bias, &out, &b, 1, 1, None), "a wrong modulation", &["`modulation` has 12", "[2, 5]"]);
        let outside = "a gate that leaves the modulation";
        refuses(gate(&bias, &out, &modulation, 2, 1, None), outside, &["4 columns from 2", "5 columns"]);
        refuses(gate(&bias, &out, &modulation, usize::MAX, 1, None), outside, &[&usize::MAX.to_string()]);
        refuses(gate(&bias, &out, &modulation, 1, 2, None), "a modulation for other items", &["[1, 5]"]);
        refuses(gate(&bias, &out, &modulation, 1, 0, None), "items without tokens", &["2 rows", "0 tokens"]);
        refuses(gate(&bias, &out, &modulation, 1, 3, None), "tokens that do not divide", &["2 rows", "3 tokens"]);
        refuses(gate(&bias, &out, &modulation, 1, 1, saved), "a wrong buffer to save to", &["`saved` has 12"]);
        refuses(Epilogue::GeluBackward { x: &b }, "a wrong input of GELU", &["`x` has 12", "[2, 4]"]);
        matmul_sizes_refused(bench, Variant::Portable);
    });
}

/// For variants that read rows as vec4s: multiples of 4; m may be any where a is not transposed, and k where it is.
fn matmul_of_vec4s(bench: &mut Bench, variant: Variant) {
    let shapes = [
        [4, 4, 4],
        [8, 4, 4],
        [12, 36, 8],
        [7, 4, 12],
        [32, 32, 32],
        [33, 36, 20],
        [36, 32, 33],
        [68, 100, 36],
        [1, 68, 128],
        [148, 128, 64],
    ];
    matmul_cases(bench, variant, &shapes);
    matmul_presets(bench, variant);
    matmul_random(bench, variant);
    matmul_values(bench, variant, [12, 20, 8]);

    let x = bench.output(1);
    for (layout, [m, n, k]) in [
        (Layout::Plain, [4, 5, 4]),
        (Layout::Plain, [4, 4, 7]),
        (Layout::BTransposed, [4, 4, 6]),
        (Layout::ATransposed, [9, 4, 4]),
    ] {
        let launch = MatMul { a: &x, b: &x, out: &x, layout, m, n, k, epilogue: Epilogue::Overwrite };
        let said = [format!("m = {m}"), format!("n = {n}"), format!("k = {k}"), format!("{layout:?}")];
        let launched = launch.launch_variant(&mut bench.stream, variant);
        expect_refusal(launched, "a row of no whole vec4s", &said.each_ref().map(String::as_str));
    }
    matmul_sizes_refused(bench, variant);
}

#[test]
pub fn matmul_register() {
    for_kernel("matmul_register", |bench| matmul_of_vec4s(bench, Variant::Register));
}

/// Tiles and slices of every kind, those of shapes with fewer steps of 16 than slices among them. Loads and sums are the
/// same in both tiles, but for their number.
#[test]
pub fn matmul_wide() {
    for_kernel("matmul_wide", |bench| {
        let wide = |tile, slices| Variant::Wide { tile, slices };
        matmul_of_vec4s(bench, wide(Tile::Side64, 1));
        matmul_cases(bench, wide(Tile::Side128, 1), &[[4, 4, 4], [36, 32, 33], [132, 260, 36], [257, 132, 20]]);
        matmul_random(bench, wide(Tile::Side128, 1));
        for variant in [wide(Tile::Side64, 2), wide(Tile::Side128, 5)] {
            matmul_cases(bench, variant, &[[4, 4, 4], [12, 36, 80], [68, 72, 100], [132, 260, 36]]);
            matmul_random(bench, variant);
        }
        cases_together(bench, |backward, stream| {
            backward.launch_variant(stream, Variant::Wide { tile: Tile::Side64, slices: 3 })
        });
        cases_together(bench, |backward, stream| {
            backward.launch_variant(stream, Variant::Wide { tile: Tile::Side128, slices: 1 })
        });

        if bench.stream.device().adapter().is_none() {
            return;
        }
        let (x, bias, out) = (bench.output(16), bench.output(4), bench.output(16));
        let launch = MatMul {
            a: &x,
            b: &x,
            out: &out,
            layout: Layout::Plain,
            m: 4,
            n: 4,
            k: 4,
            epilogue: Epilogue::Bias { bias: &bias },
        };
        let mut refuses = |launch: MatMul<'_>, slices: usize, what: &str, said: &str| {
            let variant = Variant::Wide { tile: Tile::Side64, slices };
            expect_refusal(launch.launch_variant(&mut bench.stream, variant), what, &[said]);
        };
        refuses(MatMul { out: &bias, epilogue: Epilogue::Add, ..launch }, 2, "a result of another size", "has 4");
        refuses(MatMul { epilogue: Epilogue::Add, ..launch }, 0, "no slices", "[0, 4, 4]");
        refuses(launch, 2, "a bias after slices", "2 slices");
    });
}

#[test]
pub fn matmul_subgroup() {
    for_kernel("matmul_subgroup", |bench| {
        if bench.has_subgroups() {
            matmul_of_vec4s(bench, Variant::Subgroup);
            cases_together(bench, |backward, stream| backward.launch_variant(stream, Variant::Subgroup));
            return;
        }
        let x = bench.output(16);
        let out = bench.output(16);
        let (layout, [m, n, k]) = (Layout::Plain, [4, 4, 4]);
        let launched = MatMul { a: &x, b: &x, out: &out, layout, m, n, k, epilogue: Epilogue::Overwrite }
            .launch_variant(&mut bench.stream, Variant::Subgroup);
        expect_refusal(launched, "an adapter without subgroups", &["subgroups of 8"]);
    });
}

/// Everything that the portable variant is held to, with operands that 16 bits hold; then those they do not.
fn matmul_of_half(kernel: &'static str, variant: Variant) {
    let matrices = if let Variant::Cooperative(size) = variant { Some(size) } else { None };
    for_half_kernel(kernel, matrices, |bench| {
        matmul_cases(bench, variant, &SHAPES);
        matmul_presets(bench, variant);
        matmul_random(bench, variant);
        matmul_values(bench, variant, [9, 13, 7]);
        matmul_sizes_refused(bench, variant);
        for layout in LAYOUTS {
            rounding(bench, variant, [37, 70, 129], layout);
        }
        overflow(bench, variant);
    });
}

/// Operands that 16 bits do not hold. A driver may round them to the nearest f16 or towards zero, which changes
/// each by 2^-10 of itself at most, and take those below 2^-14 for zero; so each product of two changes by
/// 2^-9 of itself, and by 2^-14 times the other. The CPU rounds to the nearest bfloat16, which changes each by 2^-9.
fn rounding(bench: &mut Bench, variant: Variant, [m, n, k]: [usize; 3], layout: Layout) {
    let mut values = Values::new(7);
    let (a, b) = (values.normal(m * k), values.normal(k * n));
    let absolute = |values: &[f32]| values.iter().map(|value| value.abs()).collect::<Vec<f32>>();
    let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    let magnitude = largest(&oracle::matmul(in_oracle(layout), &absolute(&a), &absolute(&b), [m, n, k]));
    let operand = absolute(&[a.as_slice(), &b].concat()).iter().copied().fold(0.0, f32::max);
    let (bound, reason) = match bench.stream.device().half() {
        Some(Half::Bfloat16) => {
            // Both changes, their product, and the roundings of the sum.
            let each = 2.0_f64.powi(-8) + 2.0_f64.powi(-18) + 1e-6;
            (each * magnitude, "2^-8 of the sum of the products' magnitudes: 2^-9 for each operand")
        }
        _ => (
            2.0_f64.powi(-9) * magnitude + 2.0_f64.powi(-13) * k as f64 * f64::from(operand),
            "2^-9 of the sum of the products' magnitudes, and 2^-14 of the other operand where one is zero",
        ),
    };
    let trial = Trial::new(format!("{} ({m}, {n}, {k}), {layout:?}, operands of 24 bits", name(variant)))
        .reads("a", a)
        .reads("b", b)
        .writes("out", m * n, Tolerance::new(bound, 0.0, reason))
        .launch(move |bench, buffers| {
            let [a, b, out] = buffers else { panic!("three buffers") };
            let product = MatMul { a, b, out, layout, m, n, k, epilogue: Epilogue::Overwrite };
            product.launch_variant(&mut bench.stream, variant)
        })
        .oracle(move |arrays| vec![oracle::matmul(in_oracle(layout), &arrays[0], &arrays[1], [m, n, k])]);
    trial.check(bench);
}

/// What is beyond the largest number of 16 bits shows in the results that depend on it, and in no other.
fn overflow(bench: &mut Bench, variant: Variant) {
    let values = match bench.stream.device().half() {
        Some(Half::Float16 { .. }) => {
            [(65504.0, true), (-65504.0, true), (65505.0, false), (-1e5, false), (3e38, false)].as_slice()
        }
        // The largest bfloat16, and what is rounded to it and above it.
        Some(Half::Bfloat16) => {
            let [largest, next] = [0x7f7f_0000, 0x7f7f_8000].map(f32::from_bits);
            &[(65536.0, true), (largest, true), (-largest, true), (next, false), (f32::MIN, false)]
        }
        // The CPU's body of what is an adapter's alone rounds nothing.
        None => return,
    };
    let [m, n, k] = [5, 6, 7];
    for (value, fits) in values.iter().copied() {
        let mut a = vec![1.0_f32; m * k];
        a[2 * k + 3] = value;
        let (a, b, out) = (bench.upload(&a), bench.upload(&vec![0.5_f32; k * n]), bench.output(m * n));
        let epilogue = Epilogue::Overwrite;
        let product = MatMul { a: &a, b: &b, out: &out, layout: Layout::BTransposed, m, n, k, epilogue };
        product.launch_variant(&mut bench.stream, variant).unwrap();
        for (i, got) in bench.read::<f32>(&out).into_iter().enumerate() {
            match (i / n == 2, fits) {
                (true, false) => assert!(!got.is_finite(), "{value} at a[2, 3]: out[{i}] is {got}"),
                (true, true) => assert_eq!(got, 0.5 * (value + 6.0), "{value} at a[2, 3]: out[{i}]"),
                (false, _) => assert_eq!(got, 3.5, "{value} at a[2, 3]: out[{i}]"),
            }
        }
    }
}

#[test]
pub fn matmul_f16() {
    matmul_of_half("matmul_f16", Variant::Half);
}

#[test]
pub fn matmul_cooperative_8() {
    matmul_of_half("matmul_cooperative_8", Variant::Cooperative(MatrixSize::Eight));
}

#[test]
pub fn matmul_cooperative_16() {
    matmul_of_half("matmul_cooperative_16", Variant::Cooperative(MatrixSize::Sixteen));
}

/// What runs matrices of one size shows that the other is right, as far as that goes.
#[test]
fn the_sizes_of_matrices_differ_in_nothing_else() {
    let text = |name: &str| {
        let kernel = kernels::REGISTRY.iter().find(|kernel| kernel.name == name).unwrap();
        tests::languages::text(kernel).to_owned()
    };
    let sixteen = text("matmul_cooperative_16").replace("16x16", "8x8").replace("SIZE = 16u", "SIZE = 8u");
    assert_eq!(sixteen, text("matmul_cooperative_8"));
}

/// A device that was not opened for it refuses, and does not fail later.
#[test]
fn reduced_precision_is_refused_where_it_was_not_asked_for() {
    on_each_device(|bench| {
        let x = bench.output(1);
        let launch = MatMul {
            a: &x,
            b: &x,
            out: &bench.output(1),
            layout: Layout::Plain,
            m: 1,
            n: 1,
            k: 1,
            epilogue: Epilogue::Overwrite,
        };
        for variant in [Variant::Half, Variant::Cooperative(MatrixSize::Eight)] {
            let launched = launch.launch_variant(&mut bench.stream, variant);
            match (bench.stream.device().adapter(), variant) {
                // The body in f32 that the CPU has of what is an adapter's alone.
                (None, Variant::Cooperative(_)) => launched.unwrap(),
                _ => expect_refusal(launched, "reduced precision", &["not opened for reduced precision"]),
            }
        }
    });
}

/// What launches choose on their own computes the same.
#[test]
fn a_variant_is_chosen_for_every_shape() {
    on_each_device(|bench| {
        for [m, n, k] in [[5, 7, 3], [8, 12, 16], [8, 12, 15]] {
            for layout in LAYOUTS {
                matmul_trial(Variant::Portable, [m, n, k], layout, End::Overwrite, 1)
                    .launch(move |bench, b| {
                        let [a, b, _, _, _, out] = b else { panic!("six buffers") };
                        MatMul { a, b, out, layout, m, n, k, epilogue: Epilogue::Overwrite }.launch(&mut bench.stream)
                    })
                    .check(bench);
            }
        }
    });
}
