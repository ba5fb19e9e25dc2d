//! Group E.

use kernels::{AddPositions, LabelEmbedding, LabelEmbeddingBackward, PatchOrder, Patchify, TimeFeatures, Unpatchify};
use proptest::prelude::*;
use tests::harness::{Tolerance, Values, for_kernel};
use tests::oracle::embeddings::{self as oracle, Patches};
use tests::oracle::{narrow, sum};

use super::FOLDED;
use super::presets::{FEW, batches, presets};
use super::random::{magnitude, random_cases, seed, size};
use super::refusals::{expect_refusal, refuses_buffers, refuses_sizes};
use super::trial::Trial;

fn time_features_trial([batch, half]: [usize; 2], scale: f32, seed: u64) -> Trial {
    let mut times = Values::new(seed).uniform(-1.0, 1.0, batch);
    times[batch / 2] = 0.0;
    times[batch - 1] = 1.0;
    let frequency = |i: usize| 10_000_f64.powf(-(i as f64) / half as f64);
    let frequencies = narrow(&(0..half).map(frequency).collect::<Vec<_>>());
    let tolerance =
        Tolerance::new(3e-7, 0.0, "the kernel promises 1.5e-7 where the angle is rounded to f32 once it is multiplied");
    Trial::new(format!("time_features ({batch}, {half}), scale {scale}"))
        .reads("time", times)
        .reads("frequencies", frequencies)
        .writes("out", batch * 2 * half, tolerance)
        .launch(move |bench, b| {
            TimeFeatures { time: &b[0], frequencies: &b[1], out: &b[2], scale, batch, half }.launch(&mut bench.stream)
        })
        .oracle(move |a| vec![oracle::time_features(&a[0], &a[1], scale)])
}

#[test]
pub fn time_features() {
    let shapes = [[1, 1], [3, 1], [1, 5], [7, 31], [64, 128], [128, 128], [5, 129]];
    for_kernel("time_features", |bench| {
        for (shape, scale) in shapes.iter().flat_map(|shape| [1.0, 1000.0, 1.5e7].map(|scale| (*shape, scale))) {
            time_features_trial(shape, scale, shape[1] as u64).check(bench);
        }
        time_features_trial([2, FOLDED.div_ceil(2)], 1000.0, 1).check(bench);
        // Where angles end: beyond 2²⁴ there is none, and nothing that looks like one.
        let edges = [
            0.0,
            -0.0,
            1e-39,
            -1e-20,
            5e-13,
            1e4,
            16_777_215.0,
            -16_777_215.0,
            16_777_216.0,
            -16_777_216.0,
            1e10,
            -1e38,
        ];
        let none = Tolerance::new(0.0, 0.0, "the kernel promises 1.5e-7 up to 2^24, and nothing beyond");
        time_features_trial([edges.len(), 1], 1.0, 1)
            .with_values("edges", none, |name, i| if name == "time" { edges[i] } else { 1.0 })
            .check(bench);
        let arguments = (size(130), size(130), prop_oneof![Just(1.0_f32), Just(1000.0), 0.0_f32..1.5e7], seed());
        random_cases(bench, 32, arguments, |bench, (batch, half, scale, seed)| {
            time_features_trial([batch, half], scale, seed).check(bench);
        });
        time_features_trial([3, 67], 1000.0, 1).poison(bench);

        let (time, frequencies, out) = (bench.output(2), bench.output(3), bench.output(12));
        let launch = TimeFeatures { time: &time, frequencies: &frequencies, out: &out, scale: 1.0, batch: 2, half: 3 };
        refuses_buffers!(bench, launch, TimeFeatures { time, frequencies, out });
        refuses_sizes(bench, |stream, x, [batch, half]| {
            TimeFeatures { time: x, frequencies: x, out: x, scale: 1.0, batch, half }.launch(stream)
        });
    });
}

/// B, the images there are, C, S, p: ones, primes, and a folded launch.
const IMAGES: [[usize; 5]; 10] = [
    [1, 1, 1, 1, 1],
    [1, 1, 3, 2, 2],
    [5, 2, 3, 12, 3],
    [2, 4, 2, 8, 2],
    [4, 2, 5, 10, 5],
    [3, 3, 2, 6, 1],
    [3, 2, 1, 13, 13],
    [3, 3, 1, 28, 2],
    [2, 1, 3, 32, 4],
    [2, 1, 1, 1450, 5],
];

/// Each with both orders of columns; the presets' batches too, from as many images and, as guidance
/// has them, from half.
fn cuts() -> Vec<([usize; 5], PatchOrder)> {
    let of_presets = presets().into_iter().zip(batches());
    let of_presets = of_presets.flat_map(|(config, batch)| {
        [batch, batch / 2].map(|images| [batch, images, config.channels, config.side, config.patch])
    });
    let orders = [PatchOrder::ChannelFirst, PatchOrder::ChannelLast];
    IMAGES.into_iter().chain(of_presets).flat_map(|image| orders.map(|order| (image, order))).collect()
}

/// Any, with at most some thousands of elements.
fn random_cut() -> impl Strategy<Value = ([usize; 5], PatchOrder, u64)> {
    let order = prop_oneof![Just(PatchOrder::ChannelFirst), Just(PatchOrder::ChannelLast)];
    let sizes = (1..=7_usize, 1..=7_usize, 1..=4_usize, 1..=6_usize, 1..=6_usize);
    (sizes, order, seed()).prop_map(|((batch, images, channels, along, patch), order, seed)| {
        ([batch, images, channels, along * patch, patch], order, seed)
    })
}

fn patches([channels, side, patch]: [usize; 3], order: PatchOrder) -> Patches {
    Patches { channels, side, patch, channel_first: order == PatchOrder::ChannelFirst }
}

fn patchify_trial([batch, source_batch, channels, side, patch]: [usize; 5], order: PatchOrder, seed: u64) -> Trial {
    let cut = patches([channels, side, patch], order);
    Trial::new(format!("patchify {batch} of {source_batch}, {cut:?}"))
        .reads("images", Values::new(seed).spread(source_batch * cut.image()))
        .writes("out", batch * cut.image(), Tolerance::EXACT)
        .launch(move |bench, b| {
            Patchify { images: &b[0], out: &b[1], batch, source_batch, channels, side, patch, order }
                .launch(&mut bench.stream)
        })
        .oracle(move |a| vec![cut.patchify(&a[0], batch)])
}

#[test]
pub fn patchify() {
    for_kernel("patchify", |bench| {
        for (image, order) in cuts() {
            patchify_trial(image, order, image[3] as u64).check(bench);
        }
        random_cases(bench, 32, random_cut(), |bench, (image, order, seed)| {
            patchify_trial(image, order, seed).check(bench);
        });
        patchify_trial([5, 2, 3, 6, 3], PatchOrder::ChannelLast, 1).check_tiny(bench);
        patchify_trial([5, 2, 3, 6, 3], PatchOrder::ChannelLast, 1).poison(bench);
        let x = bench.output(2 * 3 * 4 * 4);
        let order = PatchOrder::ChannelFirst;
        let launch = Patchify { images: &x, out: &x, batch: 2, source_batch: 2, channels: 3, side: 4, patch: 2, order };
        refuses_buffers!(bench, launch, Patchify { images, out });
        for patch in [0, 3, 8, usize::MAX] {
            let launched = Patchify { patch, ..launch }.launch(&mut bench.stream);
            expect_refusal(launched, "a patch that does not divide the side", &["side 4", &format!("side {patch}")]);
        }
        refuses_sizes(bench, |stream, x, [batch, source_batch, channels, side, patch]| {
            Patchify { images: x, out: x, batch, source_batch, channels, side, patch, order }.launch(stream)
        });
    });
}

fn unpatchify_trial([batch, _, channels, side, patch]: [usize; 5], order: PatchOrder, seed: u64) -> Trial {
    let cut = patches([channels, side, patch], order);
    Trial::new(format!("unpatchify {batch}, {cut:?}"))
        .reads("patches", Values::new(seed).spread(batch * cut.image()))
        .writes("out", batch * cut.image(), Tolerance::EXACT)
        .launch(move |bench, b| {
            Unpatchify { patches: &b[0], out: &b[1], batch, channels, side, patch, order }.launch(&mut bench.stream)
        })
        .oracle(move |a| vec![cut.unpatchify(&a[0])])
}

#[test]
pub fn unpatchify() {
    for_kernel("unpatchify", |bench| {
        for (image, order) in cuts() {
            unpatchify_trial(image, order, image[3] as u64).check(bench);
        }
        random_cases(bench, 32, random_cut(), |bench, (image, order, seed)| {
            unpatchify_trial(image, order, seed).check(bench);
        });
        unpatchify_trial([3, 0, 3, 6, 2], PatchOrder::ChannelLast, 1).check_tiny(bench);
        unpatchify_trial([3, 0, 3, 6, 2], PatchOrder::ChannelLast, 1).poison(bench);
        let x = bench.output(2 * 3 * 4 * 4);
        let order = PatchOrder::ChannelLast;
        let launch = Unpatchify { patches: &x, out: &x, batch: 2, channels: 3, side: 4, patch: 2, order };
        refuses_buffers!(bench, launch, Unpatchify { patches, out });
        for patch in [0, 3, 8, usize::MAX] {
            let launched = Unpatchify { patch, ..launch }.launch(&mut bench.stream);
            expect_refusal(launched, "a patch that does not divide the side", &["side 4", &format!("side {patch}")]);
        }
        refuses_sizes(bench, |stream, x, [batch, channels, side, patch]| {
            Unpatchify { patches: x, out: x, batch, channels, side, patch, order }.launch(stream)
        });
    });
}

fn add_positions_trial([batch, tokens, width]: [usize; 3], seed: u64) -> Trial {
    let mut values = Values::new(seed);
    Trial::new(format!("add_positions ({batch}, {tokens}, {width})"))
        .reads("positions", values.spread(tokens * width))
        .changes("x", values.spread(batch * tokens * width), Tolerance::new(0.0, 1e-7, "one rounding"))
        .launch(move |bench, b| {
            AddPositions { positions: &b[0], x: &b[1], batch, tokens, width }.launch(&mut bench.stream)
        })
        .oracle(|a| vec![oracle::add_positions(&a[0], &a[1])])
}

#[test]
pub fn add_positions() {
    let shapes = [[1, 1, 1], [1, 3, 5], [3, 7, 17], [2, 65, 64], [7, 1, 3], [3, 2, FOLDED.div_ceil(6)]];
    let of_presets = presets().map(|config| [FEW, config.tokens(), config.width]);
    for_kernel("add_positions", |bench| {
        for shape in shapes.into_iter().chain(of_presets) {
            add_positions_trial(shape, shape[2] as u64).check(bench);
        }
        random_cases(bench, 32, (size(9), size(40), size(40), seed()), |bench, (batch, tokens, width, seed)| {
            add_positions_trial([batch, tokens, width], seed).check(bench);
        });
        add_positions_trial([3, 5, 7], 1).check_tiny(bench);
        add_positions_trial([3, 5, 7], 1).poison(bench);
        let (positions, x) = (bench.output(6), bench.output(12));
        let launch = AddPositions { positions: &positions, x: &x, batch: 2, tokens: 2, width: 3 };
        refuses_buffers!(bench, launch, AddPositions { positions, x });
        let empty = AddPositions { batch: 0, ..launch }.launch(&mut bench.stream);
        expect_refusal(empty, "no items", &["[0, 2, 3]", "empty"]);
        // The positions are no buffer of that length, whatever the items.
        refuses_sizes(bench, |stream, x, [batch, tokens, width]| {
            AddPositions { positions: x, x, batch, tokens, width }.launch(stream)
        });
    });
}

/// B, D and the rows of the table.
const TABLES: [[usize; 3]; 8] = [
    [1, 1, 1],
    [1, 3, 2],
    [5, 7, 3],
    [64, 128, 11],
    [13, 67, 101],
    [3, 256, 11],
    [2, FOLDED.div_ceil(2), 2],
    [300, 1, 2],
];

fn tables() -> impl Iterator<Item = [usize; 3]> {
    let of_presets = presets().into_iter().zip(batches());
    TABLES.into_iter().chain(of_presets.map(|(config, batch)| [batch, config.width, config.classes + 1]))
}

fn random_table() -> impl Strategy<Value = [usize; 3]> {
    (size(70), size(70), size(20)).prop_map(|(batch, width, rows)| [batch, width, rows])
}

/// Labels with, in a batch of some size, the last row, the first one that is missing, and the largest number.
fn labels(batch: usize, rows: usize) -> Vec<u32> {
    let mut labels = Values::new(batch as u64).below(rows as u32, batch);
    if batch > 4 {
        labels[1..4].copy_from_slice(&[rows as u32 - 1, rows as u32, u32::MAX]);
    }
    labels
}

fn label_embedding_trial([batch, width, rows]: [usize; 3], seed: u64) -> Trial {
    let mut values = Values::new(seed);
    let (labels, again) = (labels(batch, rows), labels(batch, rows));
    // Not `writes`: NaN, which it puts there beforehand, is what a missing label has to be given.
    let numbers = vec![12_345.0; batch * width];
    Trial::new(format!("label_embedding ({batch}, {width}), {rows} rows"))
        .reads("table", values.spread(rows * width))
        .reads("x", values.spread(batch * width))
        .changes("out", numbers, Tolerance::new(0.0, 1e-7, "one rounding"))
        .launch(move |bench, b| {
            let labels = bench.upload(&labels);
            LabelEmbedding { labels: &labels, table: &b[0], x: &b[1], out: &b[2], batch, width, rows }
                .launch(&mut bench.stream)
        })
        .oracle(move |a| vec![oracle::label_embedding(&again, &a[0], &a[1])])
}

#[test]
pub fn label_embedding() {
    for_kernel("label_embedding", |bench| {
        for table in tables() {
            label_embedding_trial(table, table[1] as u64).check(bench);
        }
        random_cases(bench, 32, (random_table(), seed()), |bench, (table, seed)| {
            label_embedding_trial(table, seed).check(bench);
        });
        label_embedding_trial([6, 5, 3], 1).check_tiny(bench);
        label_embedding_trial([6, 5, 3], 1).poison(bench);
        let (labels, table, x) = (bench.output(2), bench.output(15), bench.output(6));
        let launch = LabelEmbedding { labels: &labels, table: &table, x: &x, out: &x, batch: 2, width: 3, rows: 5 };
        refuses_buffers!(bench, launch, LabelEmbedding { labels, table, x, out });
        refuses_sizes(bench, |stream, x, [batch, width, rows]| {
            LabelEmbedding { labels: x, table: x, x, out: x, batch, width, rows }.launch(stream)
        });
    });
}

fn label_embedding_backward_trial(
    [batch, width, rows]: [usize; 3],
    accumulate: bool,
    magnitude: f32,
    seed: u64,
) -> Trial {
    let mut values = Values::new(seed);
    let (labels, again) = (labels(batch, rows), labels(batch, rows));
    let (upstream, before) = (values.normal(batch * width), accumulate.then(|| values.normal(rows * width)));
    Trial::new(format!("label_embedding_backward ({batch}, {width}), {rows} rows, accumulate {accumulate}"))
        .reads("upstream", upstream)
        .accumulates("out", before, rows * width, Tolerance::sum(batch))
        .launch(move |bench, b| {
            let labels = bench.upload(&labels);
            LabelEmbeddingBackward { labels: &labels, upstream: &b[0], out: &b[1], batch, width, rows, accumulate }
                .launch(&mut bench.stream)
        })
        .oracle(move |a| vec![sum(&a[1], &oracle::label_embedding_backward(&again, &a[0], rows))])
        .scaled(magnitude, &["upstream", "out"], 1)
}

#[test]
pub fn label_embedding_backward() {
    for_kernel("label_embedding_backward", |bench| {
        for (table, accumulate) in tables().flat_map(|table| [(table, false), (table, true)]) {
            label_embedding_backward_trial(table, accumulate, 1.0, table[1] as u64).check(bench);
        }
        let arguments = (random_table(), any::<bool>(), magnitude(), seed());
        random_cases(bench, 32, arguments, |bench, (table, accumulate, magnitude, seed)| {
            label_embedding_backward_trial(table, accumulate, magnitude, seed).check(bench);
        });
        label_embedding_backward_trial([7, 5, 3], true, 1.0, 1).check_tiny(bench);
        for accumulate in [false, true] {
            label_embedding_backward_trial([7, 5, 3], accumulate, 1.0, 1).poison(bench);
        }
        let (labels, table, x) = (bench.output(2), bench.output(15), bench.output(6));
        let launch = LabelEmbeddingBackward {
            labels: &labels,
            upstream: &x,
            out: &table,
            batch: 2,
            width: 3,
            rows: 5,
            accumulate: false,
        };
        refuses_buffers!(bench, launch, LabelEmbeddingBackward { labels, upstream, out });
        refuses_sizes(bench, |stream, x, [batch, width, rows]| {
            LabelEmbeddingBackward { labels: x, upstream: x, out: x, batch, width, rows, accumulate: false }
                .launch(stream)
        });
    });
}
