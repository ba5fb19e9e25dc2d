//! What every variant of the matrix product is held to.

use kernels::{Epilogue, Layout, MatMul, Variant};
use runtime::MatrixSize;
use tests::harness::{Bench, Tolerance, Values};
use tests::oracle::network::{self as oracle, add_bias};
use tests::oracle::sum;

use crate::presets::presets;
use crate::random::{magnitude, random_cases, seed, size};
use crate::refusals::refuses_sizes;
use crate::trial::Trial;

/// The epilogues by name, those that can save a·b + bias with and without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
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

pub(super) const ENDS: [End; 9] = [
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

pub(super) const LAYOUTS: [Layout; 3] = [Layout::Plain, Layout::BTransposed, Layout::ATransposed];

pub(super) fn name(variant: Variant) -> &'static str {
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

pub(super) fn in_oracle(layout: Layout) -> oracle::Layout {
    match layout {
        Layout::Plain => oracle::Layout::NN,
        Layout::BTransposed => oracle::Layout::NT,
        Layout::ATransposed => oracle::Layout::TN,
    }
}

/// b is divided by √k, so that results are near 1: where GELU bends.
pub(super) const TOLERANCE: Tolerance =
    Tolerance::new(1e-5, 1e-5, "a rounding of each of k terms that add up to something near 1, and GELU's own 1e-6");

/// As [`TOLERANCE`], times a derivative.
pub(super) const TOLERANCE_OF_GRADIENTS: Tolerance = Tolerance::new(
    2e-5,
    1e-5,
    "a rounding of each of k terms, times GELU's derivative: drivers' tanh is good to about 1e-6, and \
     (1 - tanh²) · x · slope amplifies it by up to 10",
);

/// Whether a variant rounds its operands to 16 bits.
pub(super) fn rounds(variant: Variant) -> bool {
    matches!(variant, Variant::Half | Variant::Cooperative(_))
}

/// The nearest number that both f16 and bfloat16 hold, zero for those below 2^-14: what rounding leaves as it is.
pub(in super::super) fn in_half(value: f32) -> f32 {
    // 7 of the 23 bits of the fraction stay.
    let nearest = f32::from_bits((value.to_bits() + (1 << 15)) & !((1 << 16) - 1));
    if nearest.abs() < 2.0_f32.powi(-14) { 0.0 } else { nearest }
}

pub(super) fn matmul_trial(variant: Variant, [m, n, k]: [usize; 3], layout: Layout, end: End, seed: u64) -> Trial {
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
pub(super) fn scaled(trial: Trial, factor: f32) -> Trial {
    trial.scaled(factor, &["a", "bias", "residual", "out"], 1)
}

/// Each shape with each layout and epilogue.
pub(super) fn matmul_cases(bench: &mut Bench, variant: Variant, shapes: &[[usize; 3]]) {
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
pub(super) fn ends(variant: Variant) -> Vec<End> {
    let sliced = matches!(variant, Variant::Wide { slices: 2.., .. });
    ENDS.into_iter().filter(|end| !sliced || matches!(end, End::Overwrite | End::Add)).collect()
}

/// Whether a variant reads rows as vec4s.
pub(super) fn reads_vec4s(variant: Variant) -> bool {
    matches!(variant, Variant::Register | Variant::Subgroup | Variant::Wide { .. })
}

/// Whether a variant is there for a shape.
pub(super) fn takes(variant: Variant, [m, n, k]: [usize; 3], layout: Layout) -> bool {
    let row_of_a = if layout == Layout::ATransposed { m } else { k };
    !reads_vec4s(variant) || (n.is_multiple_of(4) && row_of_a.is_multiple_of(4))
}

/// Every Linear of the presets, forward and both gradients, for one item of tokens, and for as many
/// items where a row is an item.
pub(super) fn matmul_presets(bench: &mut Bench, variant: Variant) {
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
pub(super) fn matmul_random(bench: &mut Bench, variant: Variant) {
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
pub(super) fn matmul_values(bench: &mut Bench, variant: Variant, shape: [usize; 3]) {
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

pub(super) fn matmul_sizes_refused(bench: &mut Bench, variant: Variant) {
    for layout in LAYOUTS {
        refuses_sizes(bench, |stream, x, [m, n, k]| {
            MatMul { a: x, b: x, out: x, layout, m, n, k, epilogue: Epilogue::Overwrite }
                .launch_variant(stream, variant)
        });
    }
}

/// For variants that take any shape.
pub(super) const SHAPES: [[usize; 3]; 10] = [
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
