//! Group E.

use kernels::{AddPositions, LabelEmbedding, LabelEmbeddingBackward, PatchOrder, Patchify, TimeFeatures, Unpatchify};
use tests::harness::{Tolerance, Values, for_kernel};
use tests::oracle::embeddings::{self as oracle, Patches};
use tests::oracle::{narrow, sum};

use super::{FOLDED, expect_refusal, output};

#[test]
pub fn time_features() {
    let tolerance =
        Tolerance::new(3e-7, 0.0, "the kernel promises 1.5e-7 where the angle is rounded to f32 once it is multiplied");
    let shapes = [[1, 1], [3, 1], [1, 5], [7, 31], [64, 128], [5, 129]];
    let scaled = shapes.iter().flat_map(|shape| [1.0, 1000.0, 1.5e7].map(|scale| (*shape, scale)));
    let cases: Vec<([usize; 2], f32)> = scaled.chain([([2, FOLDED.div_ceil(2)], 1000.0)]).collect();
    for_kernel("time_features", |bench| {
        for ([batch, half], scale) in cases.iter().copied() {
            let mut times = Values::new(half as u64).uniform(-1.0, 1.0, batch);
            times[batch / 2] = 0.0;
            times[batch - 1] = 1.0;
            let frequency = |i: usize| 10_000_f64.powf(-(i as f64) / half as f64);
            let frequencies = narrow(&(0..half).map(frequency).collect::<Vec<_>>());
            let (time, on_device, out) =
                (bench.upload(&times), bench.upload(&frequencies), bench.output(batch * 2 * half));
            TimeFeatures { time: &time, frequencies: &on_device, out: &out, scale, batch, half }
                .launch(&mut bench.stream)
                .unwrap();
            let want = oracle::time_features(&times, &frequencies, scale);
            bench.expect(format_args!("time_features ({batch}, {half}), scale {scale}"), &out, &want, tolerance);
        }
        let (time, frequencies, out) = (bench.output(2), bench.output(3), bench.output(12));
        let launch = TimeFeatures { time: &time, frequencies: &frequencies, out: &out, scale: 1.0, batch: 2, half: 3 };
        refuses_buffers!(bench, launch, TimeFeatures { time, frequencies, out });
    });
}

/// B, the images there are, C, S, p: ones, primes, the presets', and a folded launch.
const IMAGES: [[usize; 5]; 10] = [
    [1, 1, 1, 1, 1],
    [1, 1, 3, 2, 2],
    [5, 2, 3, 12, 3],
    [2, 4, 2, 8, 2],
    [4, 2, 5, 10, 5],
    [3, 3, 2, 6, 1],
    [64, 32, 1, 28, 4],
    [3, 3, 1, 28, 2],
    [2, 1, 3, 32, 4],
    [2, 1, 1, 1450, 5],
];

fn orders() -> impl Iterator<Item = ([usize; 5], PatchOrder)> {
    IMAGES.into_iter().flat_map(|image| [PatchOrder::ChannelFirst, PatchOrder::ChannelLast].map(|order| (image, order)))
}

#[test]
pub fn patchify() {
    for_kernel("patchify", |bench| {
        for ([batch, source_batch, channels, side, patch], order) in orders() {
            let cut = Patches { channels, side, patch, channel_first: order == PatchOrder::ChannelFirst };
            let values = Values::new(side as u64).normal(source_batch * cut.image());
            let (images, out) = (bench.upload(&values), bench.output(batch * cut.image()));
            Patchify { images: &images, out: &out, batch, source_batch, channels, side, patch, order }
                .launch(&mut bench.stream)
                .unwrap();
            let case = format_args!("patchify {batch} of {source_batch}, {cut:?}");
            bench.expect(case, &out, &cut.patchify(&values, batch), Tolerance::EXACT);
        }
        let x = bench.output(2 * 3 * 4 * 4);
        let launch = Patchify {
            images: &x,
            out: &x,
            batch: 2,
            source_batch: 2,
            channels: 3,
            side: 4,
            patch: 2,
            order: PatchOrder::ChannelFirst,
        };
        refuses_buffers!(bench, launch, Patchify { images, out });
        for patch in [0, 3, 8] {
            expect_refusal(
                Patchify { patch, ..launch }.launch(&mut bench.stream),
                "a patch that does not divide the side",
            );
        }
    });
}

#[test]
pub fn unpatchify() {
    for_kernel("unpatchify", |bench| {
        for ([batch, _, channels, side, patch], order) in orders() {
            let cut = Patches { channels, side, patch, channel_first: order == PatchOrder::ChannelFirst };
            let values = Values::new(side as u64).normal(batch * cut.image());
            let (patches, out) = (bench.upload(&values), bench.output(values.len()));
            Unpatchify { patches: &patches, out: &out, batch, channels, side, patch, order }
                .launch(&mut bench.stream)
                .unwrap();
            bench.expect(format_args!("unpatchify {batch}, {cut:?}"), &out, &cut.unpatchify(&values), Tolerance::EXACT);
        }
        let x = bench.output(2 * 3 * 4 * 4);
        let launch = Unpatchify {
            patches: &x,
            out: &x,
            batch: 2,
            channels: 3,
            side: 4,
            patch: 2,
            order: PatchOrder::ChannelLast,
        };
        refuses_buffers!(bench, launch, Unpatchify { patches, out });
        for patch in [0, 3, 8] {
            expect_refusal(
                Unpatchify { patch, ..launch }.launch(&mut bench.stream),
                "a patch that does not divide the side",
            );
        }
    });
}

#[test]
pub fn add_positions() {
    let tolerance = Tolerance::new(0.0, 1e-7, "one rounding");
    let shapes =
        [[1, 1, 1], [1, 3, 5], [3, 7, 17], [2, 65, 64], [3, 49, 128], [1, 196, 256], [3, 2, FOLDED.div_ceil(6)]];
    for_kernel("add_positions", |bench| {
        for [batch, tokens, width] in shapes {
            let mut values = Values::new(width as u64);
            let (position, before) = (values.spread(tokens * width), values.spread(batch * tokens * width));
            let (positions, x) = (bench.upload(&position), bench.upload(&before));
            AddPositions { positions: &positions, x: &x, batch, tokens, width }.launch(&mut bench.stream).unwrap();
            let want = oracle::add_positions(&position, &before);
            bench.expect(format_args!("add_positions ({batch}, {tokens}, {width})"), &x, &want, tolerance);
        }
        let (positions, x) = (bench.output(6), bench.output(12));
        let launch = AddPositions { positions: &positions, x: &x, batch: 2, tokens: 2, width: 3 };
        refuses_buffers!(bench, launch, AddPositions { positions, x });
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

/// Labels with, in a batch of some size, the last row, the first one that is missing, and the largest number.
fn labels(batch: usize, rows: usize) -> Vec<u32> {
    let mut labels = Values::new(batch as u64).below(rows as u32, batch);
    if batch > 4 {
        labels[1..4].copy_from_slice(&[rows as u32 - 1, rows as u32, u32::MAX]);
    }
    labels
}

#[test]
pub fn label_embedding() {
    let tolerance = Tolerance::new(0.0, 1e-7, "one rounding");
    for_kernel("label_embedding", |bench| {
        for [batch, width, rows] in TABLES {
            let mut values = Values::new(width as u64);
            let (labels, entries, inputs) =
                (labels(batch, rows), values.spread(rows * width), values.spread(batch * width));
            let (on_device, table) = (bench.upload(&labels), bench.upload(&entries));
            // No NaN beforehand: it is what a missing label has to be given.
            let (x, out) = (bench.upload(&inputs), bench.upload(&vec![12_345.0_f32; batch * width]));
            LabelEmbedding { labels: &on_device, table: &table, x: &x, out: &out, batch, width, rows }
                .launch(&mut bench.stream)
                .unwrap();
            let want = oracle::label_embedding(&labels, &entries, &inputs);
            bench.expect(format_args!("label_embedding ({batch}, {width}), {rows} rows"), &out, &want, tolerance);
        }
        let (labels, table, x) = (bench.output(2), bench.output(15), bench.output(6));
        let launch = LabelEmbedding { labels: &labels, table: &table, x: &x, out: &x, batch: 2, width: 3, rows: 5 };
        refuses_buffers!(bench, launch, LabelEmbedding { labels, table, x, out });
    });
}

#[test]
pub fn label_embedding_backward() {
    for_kernel("label_embedding_backward", |bench| {
        for ([batch, width, rows], accumulate) in TABLES.iter().flat_map(|table| [(*table, false), (*table, true)]) {
            let (labels, gradient) = (labels(batch, rows), Values::new(width as u64).normal(batch * width));
            let (on_device, upstream) = (bench.upload(&labels), bench.upload(&gradient));
            let (out, before) = output(bench, accumulate, rows * width);
            LabelEmbeddingBackward {
                labels: &on_device,
                upstream: &upstream,
                out: &out,
                batch,
                width,
                rows,
                accumulate,
            }
            .launch(&mut bench.stream)
            .unwrap();
            let want = sum(&before, &oracle::label_embedding_backward(&labels, &gradient, rows));
            let case =
                format_args!("label_embedding_backward ({batch}, {width}), {rows} rows, accumulate {accumulate}");
            bench.expect(case, &out, &want, Tolerance::sum(batch));
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
    });
}
