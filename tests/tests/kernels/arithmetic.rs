//! Group N: filling, adding, and sums of columns.

use kernels::{Add, ColumnSum, Fill};
use proptest::prelude::*;
use runtime::{Result, Stream};
use tests::harness::{Bench, Tolerance, Values, for_kernel};
use tests::oracle::{self, sum};

use super::presets::{FEW, presets};
use super::random::{magnitude, random_cases, seed, size};
use super::refusals::{expect_refusal, refuses_buffers, refuses_sizes};
use super::trial::Trial;
use super::{FOLDED, LENGTHS};

fn fill_trial(len: usize, value: f32) -> Trial {
    Trial::new(format!("fill ({len}) with {value:e}"))
        .writes("out", len, Tolerance::EXACT)
        .launch(move |bench, b| Fill { out: &b[0], value }.launch(&mut bench.stream))
        .oracle(move |_| vec![vec![f64::from(value); len]])
}

#[test]
pub fn fill() {
    for_kernel("fill", |bench| {
        for len in LENGTHS {
            fill_trial(len, -1.5e-4).check(bench);
        }
        for value in [0.0, 1e-30, -1e30, f32::MAX, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            fill_trial(65, value).check(bench);
        }
        random_cases(bench, 24, (size(5000), -1e9_f32..1e9), |bench, (len, value)| fill_trial(len, value).check(bench));
        let empty = bench.output(0);
        expect_refusal(Fill { out: &empty, value: 1.0 }.launch(&mut bench.stream), "filling nothing", &["[0]"]);
    });
}

fn add_trial(len: usize, seed: u64) -> Trial {
    let mut values = Values::new(seed);
    Trial::new(format!("add ({len})"))
        .reads("x", values.spread(len))
        .changes("out", values.spread(len), Tolerance::new(0.0, 1e-7, "one rounding"))
        .launch(|bench, b| Add { x: &b[0], out: &b[1] }.launch(&mut bench.stream))
        .oracle(|a| vec![sum(&a[1], &oracle::wide(&a[0]))])
}

#[test]
pub fn add() {
    for_kernel("add", |bench| {
        for len in LENGTHS {
            add_trial(len, len as u64).check(bench);
        }
        for config in presets() {
            let tokens = FEW * config.tokens() * config.width;
            add_trial(tokens, 1).check(bench);
        }
        random_cases(bench, 32, (size(5000), seed()), |bench, (len, seed)| add_trial(len, seed).check(bench));
        add_trial(131, 1).check_tiny(bench);
        add_trial(131, 1).poison(bench);
        let x = bench.output(3);
        refuses_buffers!(bench, Add { x: &x, out: &x }, Add { x, out });
    });
}

type LaunchColumnSum = fn(&ColumnSum<'_>, &mut Stream) -> Result<()>;

/// Sizes, the scale, whether the sums are added to what is there, the magnitude of the values, and their seed.
type ColumnSumCase = ([usize; 2], f32, bool, f32, u64);

fn column_sum_trial(launch: LaunchColumnSum, case: ColumnSumCase) -> Trial {
    let ([rows, columns], scale, accumulate, magnitude, seed) = case;
    let mut values = Values::new(seed);
    let (x, before) = (values.normal(rows * columns), accumulate.then(|| values.normal(columns)));
    Trial::new(format!("column_sum ({rows}, {columns}), scale {scale}, accumulate {accumulate}"))
        .reads("x", x)
        .accumulates("out", before, columns, Tolerance::sum(rows))
        .launch(move |bench, b| {
            let column_sum = ColumnSum { x: &b[0], out: &b[1], rows, columns, scale, accumulate };
            launch(&column_sum, &mut bench.stream)
        })
        .oracle(move |a| vec![sum(&a[1], &oracle::network::column_sum(&a[0], columns, scale))])
        .scaled(magnitude, &["x", "out"], 1)
}

/// Cases whose columns are multiples of `columns_of`.
fn column_sum_values(bench: &mut Bench, columns_of: usize, launch: LaunchColumnSum) {
    let shapes = [
        [1, 1],
        [1, 5],
        [3, 1],
        [2, 3],
        [7, 33],
        [8, 32],
        [9, 31],
        [64, 64],
        [257, 67],
        [3, 1027],
        [61_001, 3],
        [1, FOLDED / 4],
    ];
    // The presets' biases: of tokens, of a patch, of an item's modulation; and the loss of a batch.
    let biases = presets().into_iter().flat_map(|config| {
        let (tokens, width) = (FEW * config.tokens(), config.width);
        let columns = [width, 3 * width, 4 * width, config.patch_size()];
        columns.map(|columns| [tokens, columns]).into_iter().chain([[64, 6 * width], [128, 2 * width], [128, 1]])
    });
    let trial = |([rows, columns], scale, accumulate, magnitude, seed): ColumnSumCase| {
        let shape = [rows, columns.next_multiple_of(columns_of)];
        column_sum_trial(launch, (shape, scale, accumulate, magnitude, seed))
    };
    for (shape, accumulate) in shapes.into_iter().chain(biases).flat_map(|shape| [(shape, false), (shape, true)]) {
        trial((shape, -0.75, accumulate, 1.0, shape[0] as u64)).check(bench);
    }
    for (scale, magnitude) in [(1.0, 1e4), (1.0 / 64.0, 1e-4), (0.0, 1.0)] {
        trial(([67, 41], scale, true, magnitude, 2)).check(bench);
    }
    let shape = (size(300), size(200)).prop_map(|(rows, columns)| [rows, columns]);
    random_cases(bench, 32, (shape, -2.0_f32..2.0, any::<bool>(), magnitude(), seed()), |bench, case| {
        trial(case).check(bench);
    });
    trial(([19, 37], 0.5, true, 1.0, 3)).check_tiny(bench);
    trial(([19, 37], 0.5, true, 1.0, 3)).poison(bench);
    trial(([9, 3], 0.5, false, 1.0, 3)).poison(bench);
}

#[test]
pub fn column_sum_quads() {
    for_kernel("column_sum_quads", |bench| {
        column_sum_values(bench, 4, |launch, stream| launch.launch_quads(stream));
        let (x, out) = (bench.output(12), bench.output(6));
        let odd = ColumnSum { x: &x, out: &out, rows: 2, columns: 6, scale: 1.0, accumulate: false };
        expect_refusal(odd.launch_quads(&mut bench.stream), "6 columns", &["6 columns", "multiple of 4"]);
    });
}

#[test]
pub fn column_sum_pairs() {
    for_kernel("column_sum_pairs", |bench| {
        let wide = bench.has_wide_integers();
        if wide {
            column_sum_values(bench, 8, |launch, stream| launch.launch_pairs(stream));
        }
        let (x, out) = (bench.output(24), bench.output(12));
        let odd = ColumnSum { x: &x, out: &out, rows: 2, columns: 12, scale: 1.0, accumulate: false };
        let said = if wide { ["12 columns", "multiple of 8"] } else { ["integers", "64 bits"] };
        expect_refusal(odd.launch_pairs(&mut bench.stream), "12 columns", &said);
    });
}

#[test]
pub fn column_sum() {
    for_kernel("column_sum", |bench| {
        column_sum_values(bench, 1, |launch, stream| launch.launch_portable(stream));
        let (x, out) = (bench.output(6), bench.output(3));
        let launch = ColumnSum { x: &x, out: &out, rows: 2, columns: 3, scale: 1.0, accumulate: false };
        refuses_buffers!(bench, launch, ColumnSum { x, out });
        refuses_sizes(bench, |stream, x, [rows, columns]| {
            ColumnSum { x, out: x, rows, columns, scale: 1.0, accumulate: false }.launch(stream)
        });
    });
}
