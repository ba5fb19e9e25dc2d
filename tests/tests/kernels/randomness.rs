//! Group R.

use kernels::{GatherBatch, GaussianNoise, LabelDropout, LogitNormalTime, UniformTime};
use proptest::prelude::*;
use tests::harness::{Bench, Tolerance, Values, for_kernel};
use tests::oracle::randomness as oracle;
use tests::oracle::wide;

use super::presets::{batches, presets};
use super::random::{random_cases, size};
use super::refusals::{expect_refusal, refuses_buffers, refuses_sizes};
use super::{FOLDED, LENGTHS};

/// Both words of each but the first are in use.
const SEEDS: [u64; 3] = [0, 0x0123_4567_89ab_cdef, u64::MAX];

/// One seed is enough where there are millions of draws.
fn seeds_for(len: usize) -> Vec<u64> {
    if len < FOLDED { SEEDS.to_vec() } else { vec![SEEDS[1]] }
}

fn gather_case(bench: &mut Bench, [count, size, batch]: [usize; 3], seed: u64, position: u64) {
    let bytes = |len| Values::new(len as u64).below(256, len).iter().map(|byte| *byte as u8).collect::<Vec<u8>>();
    let (pixels, classes) = (bytes(count * size), bytes(count));
    let (images, labels) = (bench.upload(&pixels), bench.upload(&classes));
    let (out_images, out_labels) = (bench.output(batch * size), bench.output(batch));
    GatherBatch {
        images: &images,
        labels: &labels,
        out_images: &out_images,
        out_labels: &out_labels,
        seed,
        position,
        count,
        size,
        batch,
    }
    .launch(&mut bench.stream)
    .unwrap();
    let (want_images, want_labels) = oracle::gather_batch(&pixels, &classes, seed, position, batch);
    let case = format!("gather_batch {batch} of ({count}, {size}), seed {seed}, position {position}");
    bench.expect_words(format_args!("out_labels of {case}"), &out_labels, &want_labels);
    let tolerance = Tolerance::new(5e-7, 0.0, "a division, which GPUs may round to 2.5 units in the last place");
    bench.expect(format_args!("out_images of {case}"), &out_images, &want_images, tolerance);
}

#[test]
pub fn gather_batch() {
    // Around powers of four the permutation changes its width; odd sizes put images across words.
    let shapes =
        [[1, 1, 1], [2, 3, 2], [4, 5, 3], [5, 1, 5], [16, 4, 7], [17, 7, 17], [65, 65, 64], [1021, 28 * 28, 64]];
    for_kernel("gather_batch", |bench| {
        for ([count, size, batch], seed) in shapes.iter().flat_map(|shape| SEEDS.map(|seed| (*shape, seed))) {
            // The start, the last sample of an epoch, far on, and beyond 32 bits.
            for position in [0, count as u64 - 1, 1_000_003, 5_000_000_000_000] {
                let position = if position / count as u64 > u64::from(u32::MAX) { 4_000_000_007 } else { position };
                gather_case(bench, [count, size, batch], seed, position);
            }
        }
        // More samples than workgroups in a row of them.
        gather_case(bench, [70_001, 1, 66_000], 7, 69_000);
        for (config, batch) in presets().into_iter().zip(batches()) {
            gather_case(bench, [1021, config.image_size(), batch], SEEDS[1], 1000);
        }
        let arguments = (size(2000), size(70), any::<usize>(), any::<u64>(), 0..u64::from(u32::MAX));
        random_cases(bench, 32, arguments, |bench, (count, size, batch, seed, position)| {
            gather_case(bench, [count, size, 1 + batch % count.min(100)], seed, position);
        });

        let (images, labels) = (bench.output(8), bench.output(2)); // 6 samples of 5 bytes
        let (out_images, out_labels) = (bench.output(20), bench.output(4));
        let launch = GatherBatch {
            images: &images,
            labels: &labels,
            out_images: &out_images,
            out_labels: &out_labels,
            seed: 0,
            position: 0,
            count: 6,
            size: 5,
            batch: 4,
        };
        refuses_buffers!(bench, launch, GatherBatch { images, labels, out_images, out_labels });
        let (out_images, out_labels) = (bench.output(35), bench.output(7));
        let larger = GatherBatch { out_images: &out_images, out_labels: &out_labels, batch: 7, ..launch };
        expect_refusal(larger.launch(&mut bench.stream), "a batch larger than the data set", &["7 samples", "of 6"]);
        refuses_sizes(bench, |stream, x, [count, size, batch]| {
            let (images, labels, out_images, out_labels, seed, position) = (x, x, x, x, 0, u64::MAX);
            GatherBatch { images, labels, out_images, out_labels, seed, position, count, size, batch }.launch(stream)
        });
    });
}

fn dropout_case(bench: &mut Bench, len: usize, seed: u64, step: u32, probability: f32) {
    let before = Values::new(len as u64).below(10, len);
    let labels = bench.upload(&before);
    LabelDropout { labels: &labels, seed, step, probability, null_class: 10 }.launch(&mut bench.stream).unwrap();
    let want = oracle::label_dropout(&before, seed, step, probability, 10);
    let case = format_args!("label_dropout ({len}), seed {seed}, step {step}, probability {probability}");
    bench.expect_words(case, &labels, &want);
}

#[test]
pub fn label_dropout() {
    for_kernel("label_dropout", |bench| {
        let lengths = LENGTHS.into_iter().chain(batches());
        for (len, (probability, step)) in lengths.zip([(0.1, 0), (0.5, 1), (1.0, 77), (0.0, 5)].into_iter().cycle()) {
            for seed in seeds_for(len) {
                dropout_case(bench, len, seed, step, probability);
            }
        }
        let arguments = (size(3000), any::<u64>(), any::<u32>(), 0.0_f32..=1.0);
        random_cases(bench, 32, arguments, |bench, (len, seed, step, probability)| {
            dropout_case(bench, len, seed, step, probability);
        });
        // Each draw as the probability: it is not below itself, but below the next number.
        let before = [3; 64];
        for b in 0..64 {
            let drawn = oracle::uniform(oracle::draw(1, 0, b, 2, oracle::Purpose::Dropout)[0]) as f32;
            for probability in [drawn, drawn.next_up()] {
                let labels = bench.upload(&before);
                LabelDropout { labels: &labels, seed: 1, step: 2, probability, null_class: 10 }
                    .launch(&mut bench.stream)
                    .unwrap();
                let want = oracle::label_dropout(&before, 1, 2, probability, 10);
                assert_eq!(want[b as usize] == 10, probability > drawn);
                bench.expect_words(format_args!("label_dropout (64), probability {probability}"), &labels, &want);
            }
        }
        let labels = bench.output(0);
        let launch = LabelDropout { labels: &labels, seed: 0, step: 0, probability: 0.1, null_class: 10 };
        expect_refusal(launch.launch(&mut bench.stream), "no labels", &["[0]", "empty"]);
        let labels = bench.upload(&[1_u32]);
        for probability in [-0.1, 1.1, f32::NAN] {
            let launch = LabelDropout { labels: &labels, probability, ..launch };
            expect_refusal(launch.launch(&mut bench.stream), "no probability", &[&probability.to_string()]);
        }
    });
}

fn noise_case(bench: &mut Bench, [items, size]: [usize; 2], seed: u64, step: u32, first_item: u32) {
    let out = bench.output(items * size);
    GaussianNoise { out: &out, seed, step, first_item, items, size }.launch(&mut bench.stream).unwrap();
    let want = oracle::gaussian_noise(seed, step, first_item, items, size);
    let case = format_args!("gaussian_noise ({items}, {size}), seed {seed}, step {step}, first item {first_item}");
    bench.expect(
        case,
        &out,
        &want,
        Tolerance::new(5e-7, 1e-6, "logarithm and sine are good to 2e-7; roots on GPUs to 3e-7 of themselves"),
    );
}

#[test]
pub fn gaussian_noise() {
    let shapes = [[1, 1], [3, 1], [2, 2], [2, 3], [5, 4], [3, 5], [13, 67], [7, 28 * 28], [64, 196], [1, 200_003]];
    for_kernel("gaussian_noise", |bench| {
        for ((shape, seed), step) in shapes.iter().flat_map(|shape| SEEDS.map(|seed| (*shape, seed))).zip(0..) {
            noise_case(bench, shape, seed, step, 0);
            noise_case(bench, shape, seed, step + 1, 4_000_000_000);
        }
        noise_case(bench, [FOLDED, 1], 1, 2, 3);
        for (config, batch) in presets().into_iter().zip(batches()) {
            noise_case(bench, [batch, config.image_size()], SEEDS[1], 5, 0);
        }
        let arguments = (size(60), size(200), any::<u64>(), any::<u32>(), 0..u32::MAX - 60);
        random_cases(bench, 32, arguments, |bench, (items, size, seed, step, first_item)| {
            noise_case(bench, [items, size], seed, step, first_item);
        });
        let out = bench.output(6);
        let launch = GaussianNoise { out: &out, seed: 0, step: 0, first_item: 0, items: 2, size: 3 };
        refuses_buffers!(bench, launch, GaussianNoise { out });
        let beyond = GaussianNoise { first_item: u32::MAX - 1, ..launch };
        expect_refusal(beyond.launch(&mut bench.stream), "items beyond 32 bits", &["2 items", "4294967294"]);
        refuses_sizes(bench, |stream, x, [items, size, first]| {
            GaussianNoise { out: x, seed: 0, step: 0, first_item: first as u32, items, size }.launch(stream)
        });
    });
}

fn time_case(bench: &mut Bench, len: usize, seed: u64, step: u32) {
    let out = bench.output(len);
    UniformTime { out: &out, seed, step }.launch(&mut bench.stream).unwrap();
    let want = oracle::uniform_time(seed, step, len);
    bench.expect(format_args!("uniform_time ({len}), seed {seed}, step {step}"), &out, &want, Tolerance::EXACT);
    assert!(wide(&bench.read::<f32>(&out)).iter().all(|t| 0.0 < *t && *t < 1.0));
}

#[test]
pub fn uniform_time() {
    for_kernel("uniform_time", |bench| {
        let lengths = LENGTHS.into_iter().chain(batches());
        for (len, step) in lengths.zip([0, 1, 1_000_000, u32::MAX].into_iter().cycle()) {
            for seed in seeds_for(len) {
                time_case(bench, len, seed, step);
            }
        }
        random_cases(bench, 32, (size(3000), any::<u64>(), any::<u32>()), |bench, (len, seed, step)| {
            time_case(bench, len, seed, step);
        });
        let out = bench.output(0);
        let launch = UniformTime { out: &out, seed: 0, step: 0 };
        expect_refusal(launch.launch(&mut bench.stream), "no times", &["[0]", "empty"]);
    });
}

fn logit_normal_case(bench: &mut Bench, len: usize, seed: u64, step: u32, [mean, deviation]: [f32; 2]) {
    let out = bench.output(len);
    LogitNormalTime { out: &out, seed, step, mean, deviation }.launch(&mut bench.stream).unwrap();
    let want = oracle::logit_normal_time(seed, step, len, mean, deviation);
    // A normal number is good to 1e-6 + 5e-7 of itself, the slope of 1 / (1 + e^-x) at most a quarter.
    let reason =
        "the deviation amplifies the normal number's error, and drivers' exp is off by up to 3e-6 of a quarter";
    let tolerance = Tolerance::new(2e-6 + 1e-6 * f64::from(deviation.min(10.0)), 0.0, reason);
    let case = format_args!("logit_normal_time ({len}), seed {seed}, step {step}, mean {mean}, deviation {deviation}");
    bench.expect(case, &out, &want, tolerance);
    assert!(wide(&bench.read::<f32>(&out)).iter().all(|t| 0.0 < *t && *t < 1.0));
}

#[test]
pub fn logit_normal_time() {
    for_kernel("logit_normal_time", |bench| {
        let lengths = LENGTHS.into_iter().chain(batches());
        let settings = [(0, [0.0, 1.0]), (1, [-0.5, 1.25]), (1_000_000, [2.0, 0.0]), (u32::MAX, [0.75, 0.25])];
        for (len, (step, numbers)) in lengths.zip(settings.into_iter().cycle()) {
            for seed in seeds_for(len) {
                logit_normal_case(bench, len, seed, step, numbers);
            }
        }
        let arguments = (size(3000), any::<u64>(), any::<u32>(), -3.0_f32..3.0, 0.0_f32..3.0);
        random_cases(bench, 32, arguments, |bench, (len, seed, step, mean, deviation)| {
            logit_normal_case(bench, len, seed, step, [mean, deviation]);
        });
        // Both ends: no time is 0 or 1, however far the logit.
        for mean in [-1e30, -30.0, 30.0, 1e30] {
            logit_normal_case(bench, 65, 1, 2, [mean, 1.0]);
        }
        logit_normal_case(bench, 65, 1, 2, [0.0, 1e30]);
        let out = bench.output(0);
        let launch = LogitNormalTime { out: &out, seed: 0, step: 0, mean: 0.0, deviation: 1.0 };
        expect_refusal(launch.launch(&mut bench.stream), "no times", &["[0]", "empty"]);
        let out = bench.output(1);
        for [mean, deviation] in [[f32::NAN, 1.0], [0.0, -1.0], [0.0, f32::NAN], [f32::INFINITY, 1.0]] {
            let launch = LogitNormalTime { out: &out, mean, deviation, ..launch };
            let said = [mean.to_string(), deviation.to_string()];
            expect_refusal(launch.launch(&mut bench.stream), "no distribution", &[&said[0], &said[1]]);
        }
    });
}
