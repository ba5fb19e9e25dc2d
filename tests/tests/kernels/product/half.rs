//! Variants that round their operands to 16 bits.

use kernels::{Epilogue, Layout, MatMul, Variant};
use runtime::{Half, MatrixSize};
use tests::harness::{Bench, Tolerance, Values, for_half_kernel, on_each_device};
use tests::oracle::network as oracle;

use super::cases::{
    LAYOUTS, SHAPES, in_oracle, matmul_cases, matmul_presets, matmul_random, matmul_sizes_refused, matmul_values, name,
};
use crate::refusals::expect_refusal;
use crate::trial::Trial;

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
    let sixteen = text("matmul_cooperative_16").replace("16x16", "8x8");
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
