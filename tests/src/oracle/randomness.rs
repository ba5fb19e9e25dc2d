//! Group R: Philox4x32-10 (Salmon et al. 2011) and what is drawn from it.

use std::f64::consts::TAU;

/// What a number is drawn for: the last word of the counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Gaussian noise.
    Noise = 0,
    /// Times of the training loss.
    Time = 1,
    /// Label dropout.
    Dropout = 2,
    /// The order of an epoch.
    Shuffle = 3,
}

/// Philox4x32 with ten rounds.
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let product = |a: u32, b: u32| {
        let wide = u64::from(a) * u64::from(b);
        ((wide >> 32) as u32, wide as u32)
    };
    let ([mut c0, mut c1, mut c2, mut c3], [mut k0, mut k1]) = (counter, key);
    for _ in 0..10 {
        let (high0, low0) = product(0xd251_1f53, c0);
        let (high1, low1) = product(0xcd9e_8d57, c2);
        (c0, c1, c2, c3) = (high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0);
        (k0, k1) = (k0.wrapping_add(0x9e37_79b9), k1.wrapping_add(0xbb67_ae85));
    }
    [c0, c1, c2, c3]
}

/// The four words at a place.
pub fn draw(seed: u64, block: u32, item: u32, step: u32, purpose: Purpose) -> [u32; 4] {
    philox([block, item, step, purpose as u32], [seed as u32, (seed >> 32) as u32])
}

/// A uniform number in (0, 1) from the upper 24 bits n of a word, exact in f32: (n + ½) / 2²⁴, and
/// n / 2²⁴ from ½ on, where f32 has no bit for the half.
pub fn uniform(word: u32) -> f64 {
    let n = word >> 8;
    (f64::from(n) + if n < 1 << 23 { 0.5 } else { 0.0 }) / f64::from(1 << 24)
}

/// Where `value` goes in the order of an epoch over `count` samples.
pub fn permute(value: u32, count: u32, seed: u64, epoch: u32) -> u32 {
    let mut half = 1;
    while 1_u64 << (2 * half) < u64::from(count) {
        half += 1;
    }
    let mask = (1_u32 << half) - 1;
    let mut value = value;
    loop {
        let (mut left, mut right) = (value >> half, value & mask);
        for round in 0..4 {
            (left, right) = (right, left ^ (draw(seed, right, round, epoch, Purpose::Shuffle)[0] & mask));
        }
        value = left << half | right;
        if value < count {
            return value;
        }
    }
}

/// The images (scaled to [-1, 1]) and labels of the batch that follows `position` samples.
pub fn gather_batch(images: &[u8], labels: &[u8], seed: u64, position: u64, batch: usize) -> (Vec<f64>, Vec<u32>) {
    let (count, size) = (labels.len(), images.len() / labels.len());
    let chosen = (0..batch as u64).map(|b| {
        let (epoch, offset) = ((position + b) / count as u64, (position + b) % count as u64);
        permute(offset as u32, count as u32, seed, epoch as u32) as usize
    });
    let chosen: Vec<usize> = chosen.collect();
    let pixels = chosen.iter().flat_map(|i| &images[i * size..][..size]).map(|byte| f64::from(*byte) / 127.5 - 1.0);
    (pixels.collect(), chosen.iter().map(|i| u32::from(labels[*i])).collect())
}

/// The labels after dropout.
pub fn label_dropout(labels: &[u32], seed: u64, step: u32, probability: f32, null_class: u32) -> Vec<u32> {
    let dropped = |b: usize| uniform(draw(seed, 0, b as u32, step, Purpose::Dropout)[0]) < f64::from(probability);
    labels.iter().enumerate().map(|(b, label)| if dropped(b) { null_class } else { *label }).collect()
}

/// Standard normal numbers, (items, size), by Box and Muller.
pub fn gaussian_noise(seed: u64, step: u32, first_item: u32, items: usize, size: usize) -> Vec<f64> {
    let element = |item: usize, e: usize| {
        let words = draw(seed, (e / 4) as u32, first_item.wrapping_add(item as u32), step, Purpose::Noise);
        let pair = e % 4 / 2 * 2;
        let radius = (-2.0 * uniform(words[pair]).ln()).sqrt();
        let angle = TAU * (f64::from(words[pair + 1] >> 8) + 0.5) / f64::from(1 << 24);
        radius * if e.is_multiple_of(2) { angle.cos() } else { angle.sin() }
    };
    (0..items * size).map(|i| element(i / size, i % size)).collect()
}

/// A time for each sample of a batch, uniform in (0, 1).
pub fn uniform_time(seed: u64, step: u32, batch: usize) -> Vec<f64> {
    (0..batch).map(|b| uniform(draw(seed, 0, b as u32, step, Purpose::Time)[0])).collect()
}

/// A time for each sample of a batch, whose logit is normal, within what uniform times are within.
pub fn logit_normal_time(seed: u64, step: u32, batch: usize, mean: f32, deviation: f32) -> Vec<f64> {
    let time = |b: usize| {
        let [radius, angle, ..] = draw(seed, 0, b as u32, step, Purpose::Time);
        let angle = TAU * (f64::from(angle >> 8) + 0.5) / f64::from(1 << 24);
        let normal = (-2.0 * uniform(radius).ln()).sqrt() * angle.cos();
        let logit = f64::from(mean) + f64::from(deviation) * normal;
        (1.0 / (1.0 + (-logit).exp())).clamp(uniform(0), uniform(u32::MAX))
    };
    (0..batch).map(time).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that come with the authors' Random123 library.
    #[test]
    fn philox_gives_the_known_answers() {
        let ones = u32::MAX;
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([ones; 4], [ones; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn an_epoch_is_a_permutation_and_the_next_another() {
        for count in [1, 2, 3, 4, 5, 17, 64, 65, 1000] {
            let order = |epoch| (0..count).map(|i| permute(i, count, 7, epoch)).collect::<Vec<_>>();
            let mut sorted = order(0);
            sorted.sort_unstable();
            assert_eq!(sorted, (0..count).collect::<Vec<_>>());
            assert!(count < 17 || order(0) != order(1));
        }
    }

    #[test]
    fn noise_is_standard_normal() {
        let noise = gaussian_noise(3, 0, 0, 100, 1000);
        let moment = |power| noise.iter().map(|n| n.powi(power)).sum::<f64>() / noise.len() as f64;
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.02 && (moment(4) - 3.0).abs() < 0.1);
    }
}
