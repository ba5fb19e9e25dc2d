//! What group R draws as a whole, which an oracle with the same flaw would not show: distributions,
//! independence, and that all devices draw the same.

use std::cell::OnceCell;
use std::collections::HashSet;

use kernels::{GatherBatch, GaussianNoise, LabelDropout, LogitNormalTime, UniformTime};
use tests::harness::{Bench, on_each_device};
use tests::oracle::wide;

const SEED: u64 = 0x0123_4567_89ab_cdef;

/// How many standard errors a mean may be off. Chance alone goes beyond five once in two million
/// means; the seeds are fixed, so that what passes once always passes.
const STANDARD_ERRORS: f64 = 5.0;

/// The words that the CPU draws, which must be those of every device.
fn same_on_each_device(draw: impl Fn(&mut Bench) -> Vec<u32>) -> Vec<u32> {
    let first = OnceCell::new();
    on_each_device(|bench| {
        let words = draw(bench);
        let same = words == *first.get_or_init(|| words.clone());
        assert!(same, "{} does not draw what the CPU draws", bench.device);
    });
    first.into_inner().unwrap()
}

/// Fails unless independent values with this mean and deviation may have been drawn.
fn expect_mean(what: &str, values: impl IntoIterator<Item = f64>, mean: f64, deviation: f64) {
    let (count, sum) = values.into_iter().fold((0.0, 0.0), |(count, sum), value| (count + 1.0, sum + value));
    let (got, allowed) = (sum / count, STANDARD_ERRORS * deviation / f64::sqrt(count));
    assert!((got - mean).abs() <= allowed, "{what}: {got}, expected {mean} within {allowed:.1e}");
}

/// Fails unless these may have been true with this probability, each on its own.
fn expect_rate(what: &str, events: impl IntoIterator<Item = bool>, probability: f64) {
    let values = events.into_iter().map(|event| f64::from(u8::from(event)));
    expect_mean(what, values, probability, (probability * (1.0 - probability)).sqrt());
}

/// Fails if standard normal numbers go with others, in value or in magnitude.
fn expect_independent(what: &str, a: &[f64], b: &[f64]) {
    let pairs = || a.iter().zip(b);
    expect_mean(&format!("{what}, values"), pairs().map(|(a, b)| a * b), 0.0, 1.0);
    expect_mean(&format!("{what}, squares"), pairs().map(|(a, b)| (a * a - 1.0) * (b * b - 1.0)), 0.0, 2.0);
}

/// The images, each known by its label, of `epochs` epochs from the start of one on.
fn epochs(bench: &mut Bench, seed: u64, count: usize, batch: usize, epochs: usize) -> Vec<u32> {
    const FIRST_EPOCH: usize = 7;
    let labels: Vec<u8> = (0..count).map(|i| u8::try_from(i).unwrap()).collect();
    let (images, labels) = (bench.upload(&vec![0_u8; count]), bench.upload(&labels));
    let (out_images, out_labels) = (bench.output(batch), bench.output(batch));
    let mut seen = Vec::new();
    while seen.len() < epochs * count {
        GatherBatch {
            images: &images,
            labels: &labels,
            out_images: &out_images,
            out_labels: &out_labels,
            seed,
            position: (FIRST_EPOCH * count + seen.len()) as u64,
            count,
            size: 1,
            batch,
        }
        .launch(&mut bench.stream)
        .unwrap();
        seen.extend(bench.read::<u32>(&out_labels));
    }
    seen.truncate(epochs * count);
    seen
}

#[test]
fn batches_go_through_every_epoch_in_a_new_order() {
    // Batches that divide the epoch, and batches that run across its end.
    for (count, batch) in [(1, 1), (2, 1), (3, 3), (17, 4), (255, 100), (256, 64)] {
        let mut orders = HashSet::new();
        // Seeds that differ in either word.
        for seed in [SEED, SEED ^ 1, SEED ^ 1 << 32] {
            let seen = same_on_each_device(|bench| epochs(bench, seed, count, batch, 3));
            for order in seen.chunks(count) {
                let mut sorted = order.to_vec();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..count as u32), "{order:?} is no permutation");
                let new = orders.insert(order.to_vec());
                assert!(new || count < 17, "{order:?} comes twice"); // few images have few orders
            }
        }
    }
}

#[test]
fn labels_are_dropped_as_often_as_said() {
    const NULL_CLASS: u32 = 10;
    for probability in [0.0, 0.1, 0.5, 1.0] {
        let dropped = |step| {
            let labels = same_on_each_device(|bench| {
                let labels = bench.upload(&[3_u32; 100_000]);
                LabelDropout { labels: &labels, seed: SEED, step, probability, null_class: NULL_CLASS }
                    .launch(&mut bench.stream)
                    .unwrap();
                bench.read(&labels)
            });
            labels.into_iter().map(|label| label == NULL_CLASS).collect::<Vec<_>>()
        };
        let (now, next) = (dropped(9), dropped(10));
        let p = f64::from(probability);
        expect_rate("labels dropped", now.iter().copied(), p);
        expect_rate("labels dropped in two steps", now.iter().zip(&next).map(|(now, next)| *now && *next), p * p);
    }
}

#[test]
fn times_are_uniform() {
    const PARTS: usize = 16;
    let words = same_on_each_device(|bench| {
        let out = bench.output(100_001);
        UniformTime { out: &out, seed: SEED, step: 1 }.launch(&mut bench.stream).unwrap();
        bench.read(&out)
    });
    let part = |word: &u32| (f32::from_bits(*word) * PARTS as f32) as usize;
    for wanted in 0..PARTS {
        let share = 1.0 / PARTS as f64;
        expect_rate("times in a sixteenth", words.iter().map(|word| part(word) == wanted), share);
        let pairs = words.chunks_exact(2).map(|pair| pair.iter().all(|word| part(word) == wanted));
        expect_rate("pairs of times in a sixteenth", pairs, share * share);
    }
}

#[test]
fn logits_of_times_are_normal() {
    const MEAN: f32 = -0.5;
    const DEVIATION: f32 = 1.25;
    // How many normal numbers are below each of these.
    const BELOW: [(f64, f64); 5] =
        [(-2.0, 0.022_750), (-1.0, 0.158_655), (0.0, 0.5), (0.5, 0.691_462), (1.5, 0.933_193)];
    on_each_device(|bench| {
        let mut times = |step| {
            let out = bench.output(100_001);
            let (mean, deviation) = (MEAN, DEVIATION);
            LogitNormalTime { out: &out, seed: SEED, step, mean, deviation }.launch(&mut bench.stream).unwrap();
            wide(&bench.read::<f32>(&out))
        };
        let normal = |t: &f64| ((t / (1.0 - t)).ln() - f64::from(MEAN)) / f64::from(DEVIATION);
        let (now, next) = (times(1), times(2));
        let (now, next): (Vec<f64>, Vec<f64>) = (now.iter().map(normal).collect(), next.iter().map(normal).collect());
        for (bound, share) in BELOW {
            expect_rate(&format!("logits below {bound}"), now.iter().map(|n| *n < bound), share);
        }
        expect_independent("steps", &now, &next);
        expect_independent("items", &now, &now[1..]);
    });
}

fn noise(bench: &mut Bench, seed: u64, step: u32, first_item: u32, [items, size]: [usize; 2]) -> Vec<f64> {
    let out = bench.output(items * size);
    GaussianNoise { out: &out, seed, step, first_item, items, size }.launch(&mut bench.stream).unwrap();
    wide(&bench.read::<f32>(&out))
}

#[test]
fn noise_is_standard_normal_and_independent() {
    const SHAPE: [usize; 2] = [500, 1021];
    on_each_device(|bench| {
        let values = noise(bench, SEED, 3, 0, SHAPE);
        let deviations = [1.0, 2.0, 15.0, 96.0].map(f64::sqrt); // of the powers of a standard normal number
        for ((power, mean), deviation) in (1..).zip([0.0, 1.0, 0.0, 3.0]).zip(deviations) {
            expect_mean(&format!("power {power}"), values.iter().map(|x| x.powi(power)), mean, deviation);
        }
        // A draw gives two pairs of elements: one to three apart is within it, four is the next draw.
        for distance in 1..=4 {
            expect_independent(&format!("elements {distance} apart"), &values, &values[distance..]);
        }
        expect_independent("items", &values, &values[SHAPE[1]..]);
        expect_independent("steps", &values, &noise(bench, SEED, 4, 0, SHAPE));
        expect_independent("seeds, lower word", &values, &noise(bench, SEED ^ 1, 3, 0, SHAPE));
        expect_independent("seeds, upper word", &values, &noise(bench, SEED ^ 1 << 32, 3, 0, SHAPE));
    });
}

#[test]
fn noise_of_an_item_does_not_depend_on_its_batch() {
    on_each_device(|bench| {
        let together = noise(bench, SEED, 3, 5, [4, 13]);
        let apart: Vec<f64> = (5..9).flat_map(|item| noise(bench, SEED, 3, item, [1, 13])).collect();
        assert_eq!(together, apart, "{}", bench.device);
        assert_eq!(together[..6], noise(bench, SEED, 3, 5, [1, 6]), "{}: a shorter item", bench.device);
    });
}
