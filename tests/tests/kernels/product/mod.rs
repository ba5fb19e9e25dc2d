//! Group N: the matrix product.

mod cases;
pub mod half;

use kernels::{Epilogue, Layout, MatMul, Tile, Variant};
use tests::harness::{Bench, for_kernel, on_each_device};

pub(super) use cases::in_half;
use cases::{
    End, LAYOUTS, SHAPES, matmul_cases, matmul_presets, matmul_random, matmul_sizes_refused, matmul_trial,
    matmul_values,
};

use super::linear::{LaunchBackward, Memory, cases_together, linear_backward_trial};
use super::refusals::{expect_refusal, refuses_buffers};

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

/// More than twice as much of k, the rows of a batch, as one launch takes for products of about 64 × 64.
const LONG: usize = 16_389;

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
    // On software adapters in three parts of k.
    for end in [End::Overwrite, End::Add] {
        matmul_trial(variant, [60, 68, LONG], Layout::ATransposed, end, 1).check(bench);
    }

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
        let Some(missing) = bench.missing_for_pairs() else {
            matmul_of_vec4s(bench, Variant::Subgroup);
            let launch: LaunchBackward = |backward, stream| backward.launch_variant(stream, Variant::Subgroup);
            cases_together(bench, launch);
            for add in [[false; 2], [true; 2]] {
                linear_backward_trial(launch, Memory::Together, ([LONG, 64, 64], add, 1)).check(bench);
            }
            return;
        };
        let x = bench.output(16);
        let out = bench.output(16);
        let (layout, [m, n, k]) = (Layout::Plain, [4, 4, 4]);
        let launched = MatMul { a: &x, b: &x, out: &out, layout, m, n, k, epilogue: Epilogue::Overwrite }
            .launch_variant(&mut bench.stream, Variant::Subgroup);
        expect_refusal(launched, "an adapter whose lanes share no pairs", &[missing]);
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
