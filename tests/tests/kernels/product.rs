//! Group N: the matrix product.

use kernels::{Epilogue, Layout, MatMul};
use runtime::Buffer;
use tests::harness::{Bench, Tolerance, Values, for_kernel, on_each_device};
use tests::oracle::network::{self as oracle, add_bias};
use tests::oracle::sum;

use super::{expect_refusal, output};

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
}

const ENDS: [End; 8] = [
    End::Overwrite,
    End::Add,
    End::Bias,
    End::Gelu { save: false },
    End::Gelu { save: true },
    End::GateResidual { save: false, width: 6, gate: 2 },
    End::GateResidual { save: true, width: 6, gate: 5 },
    End::GateResidual { save: true, width: 2, gate: 0 },
];

const LAYOUTS: [(Layout, oracle::Layout); 3] = [
    (Layout::Plain, oracle::Layout::NN),
    (Layout::BTransposed, oracle::Layout::NT),
    (Layout::ATransposed, oracle::Layout::TN),
];

/// b is divided by √k, so that results are near 1: where GELU bends.
const TOLERANCE: Tolerance =
    Tolerance::new(1e-5, 1e-5, "a rounding of each of k terms that add up to something near 1, and GELU's own 1e-6");

fn matmul_case(bench: &mut Bench, [m, n, k]: [usize; 3], (layout, oracle_layout): (Layout, oracle::Layout), end: End) {
    let mut values = Values::new((m * n + k) as u64);
    let (lefts, rights) = (values.normal(m * k), values.normal(k * n));
    let rights: Vec<f32> = rights.iter().map(|value| value / (k as f32).sqrt()).collect();
    let (biases, residuals) = (values.normal(n), values.normal(m * n));
    // The most rows that share a gate without all of them sharing it.
    let tokens = (1..m).rev().find(|tokens| m.is_multiple_of(*tokens)).unwrap_or(1);
    // A gate at a column that is no multiple of 4, as it may well be.
    let (modulation_width, gate) = match end {
        End::GateResidual { width, gate, .. } => (width * n + 3, gate * n + 3),
        _ => (n, 0),
    };
    let modulations = values.normal(m / tokens * modulation_width);
    let (a, b) = (bench.upload(&lefts), bench.upload(&rights));
    let (bias, residual, modulation) = (bench.upload(&biases), bench.upload(&residuals), bench.upload(&modulations));
    let saved = bench.output(m * n);
    let (out, before) = output(bench, end == End::Add, m * n);
    let keep = |save: bool| -> Option<&Buffer> { save.then_some(&saved) };
    let epilogue = match end {
        End::Overwrite => Epilogue::Overwrite,
        End::Add => Epilogue::Add,
        End::Bias => Epilogue::Bias { bias: &bias },
        End::Gelu { save } => Epilogue::Gelu { bias: &bias, saved: keep(save) },
        End::GateResidual { save, .. } => Epilogue::GateResidual {
            bias: &bias,
            residual: &residual,
            modulation: &modulation,
            modulation_width,
            gate,
            tokens,
            saved: keep(save),
        },
    };
    MatMul { a: &a, b: &b, out: &out, layout, m, n, k, epilogue }.launch(&mut bench.stream).unwrap();

    let product = oracle::matmul(oracle_layout, &lefts, &rights, [m, n, k]);
    let biased = add_bias(&product, &biases);
    let gated = |i: usize| {
        let factor = modulations[i / n / tokens * modulation_width + gate + i % n];
        f64::from(residuals[i]) + f64::from(factor) * biased[i]
    };
    let want = match end {
        End::Overwrite | End::Add => sum(&before, &product),
        End::Bias => biased.clone(),
        End::Gelu { .. } => biased.iter().map(|x| oracle::gelu(*x)).collect(),
        End::GateResidual { .. } => (0..m * n).map(gated).collect(),
    };
    let case = format!("matmul ({m}, {n}, {k}), {layout:?}, {end:?}");
    bench.expect(&case, &out, &want, TOLERANCE);
    let saved_something = matches!(end, End::Gelu { save: true } | End::GateResidual { save: true, .. });
    let want = if saved_something { biased } else { vec![f64::NAN; m * n] };
    bench.expect(format_args!("saved by {case}"), &saved, &want, TOLERANCE);
}

/// Each shape with each layout and epilogue.
fn matmul_cases(shapes: &[[usize; 3]]) {
    on_each_device(|bench| {
        for shape in shapes {
            for layout in LAYOUTS {
                for end in ENDS {
                    matmul_case(bench, *shape, layout, end);
                }
            }
        }
    });
}

/// Shapes that go to the portable variant on every adapter: n is no multiple of 4.
#[test]
pub fn matmul() {
    let shapes = [
        [1, 1, 1],
        [3, 5, 7],
        [17, 13, 11],
        [63, 1, 16],
        [64, 65, 16],
        [65, 67, 63],
        [1, 70, 33],
        [130, 129, 17],
        [98, 66, 128],
    ];
    assert!(shapes.iter().all(|[_, n, _]| n % 4 != 0));
    matmul_cases(&shapes);
    for_kernel("matmul", |bench| {
        let (a, b, out) = (bench.output(6), bench.output(12), bench.output(8));
        let (bias, modulation) = (bench.output(4), bench.output(2 * 5));
        let launch =
            MatMul { a: &a, b: &b, out: &out, layout: Layout::Plain, m: 2, n: 4, k: 3, epilogue: Epilogue::Overwrite };
        refuses_buffers!(bench, launch, MatMul { a, b, out });
        let mut refuses =
            |epilogue, what: &str| expect_refusal(MatMul { epilogue, ..launch }.launch(&mut bench.stream), what);
        refuses(Epilogue::Bias { bias: &out }, "a wrong bias");
        refuses(Epilogue::Gelu { bias: &out, saved: None }, "a wrong bias before GELU");
        refuses(Epilogue::Gelu { bias: &bias, saved: Some(&b) }, "a wrong buffer to save to");
        let gate = |bias, residual, modulation, gate, tokens, saved| Epilogue::GateResidual {
            bias,
            residual,
            modulation,
            modulation_width: 5,
            gate,
            tokens,
            saved,
        };
        refuses(gate(&out, &out, &modulation, 1, 1, None), "a wrong bias before a gate");
        refuses(gate(&bias, &b, &modulation, 1, 1, None), "a wrong residual");
        refuses(gate(&bias, &out, &b, 1, 1, None), "a wrong modulation");
        refuses(gate(&bias, &out, &modulation, 2, 1, None), "a gate that leaves the modulation");
        refuses(gate(&bias, &out, &modulation, 1, 2, None), "a modulation for other items");
        refuses(gate(&bias, &out, &modulation, 1, 0, None), "items without tokens");
        refuses(gate(&bias, &out, &modulation, 1, 3, None), "tokens that do not divide the rows");
        refuses(gate(&bias, &out, &modulation, 1, 1, Some(&b)), "a wrong buffer to save to after a gate");
    });
}

/// Shapes of multiples of 4, which software adapters give to the register variant; m may be any
/// where a is not transposed.
#[test]
pub fn matmul_register() {
    matmul_cases(&[
        [4, 4, 4],
        [8, 4, 4],
        [12, 36, 8],
        [7, 4, 12],
        [32, 32, 32],
        [33, 36, 20],
        [68, 100, 36],
        [1, 68, 128],
        [148, 128, 64],
    ]);
    // The presets: projections and their gradients of 3 items of 49 tokens, the patch embedding, a token each.
    for_kernel("matmul_register", |bench| {
        for shape in
            [[147, 384, 128], [147, 512, 128], [147, 128, 512], [147, 128, 16], [147, 16, 128], [196, 256, 256]]
        {
            matmul_case(bench, shape, LAYOUTS[1], End::Gelu { save: true });
            matmul_case(bench, shape, LAYOUTS[0], End::Overwrite);
        }
        matmul_case(bench, [512, 128, 147], LAYOUTS[2], End::Add);
        matmul_case(bench, [128, 512, 147], LAYOUTS[2], End::Add);
        matmul_case(bench, [64, 768, 128], LAYOUTS[1], End::Bias);
        matmul_case(bench, [147, 128, 512], LAYOUTS[1], End::GateResidual { save: true, width: 6, gate: 5 });
    });
}
