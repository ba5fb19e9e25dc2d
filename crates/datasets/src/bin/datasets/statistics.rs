//! Figures of images.

use std::collections::HashSet;

use datasets::Dataset;

/// The mean and the standard deviation of the pixels of each channel, where black is 0 and white 1.
pub fn pixels(data: &Dataset) -> Vec<(f64, f64)> {
    let channels = data.channels();
    let plane = data.side() * data.side();
    // Exact in integers: a sum of squares of bytes stays below 2^64 for 2^48 pixels.
    let mut sums = vec![(0_u64, 0_u64); channels];
    for (index, pixels) in data.images().chunks(plane).enumerate() {
        let (sum, squares) = &mut sums[index % channels];
        for &byte in pixels {
            *sum += u64::from(byte);
            *squares += u64::from(byte).pow(2);
        }
    }
    let count = (data.count() * plane) as f64;
    let figures = |(sum, squares): (u64, u64)| {
        let mean = sum as f64 / count;
        (mean / 255.0, (squares as f64 / count - mean * mean).max(0.0).sqrt() / 255.0)
    };
    sums.into_iter().map(figures).collect()
}

/// Images that are, byte for byte, others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copies {
    /// Training images that repeat one before them.
    pub within_training: usize,
    /// Held-out images that are among the training images.
    pub held_out: usize,
}

/// Counts the copies.
pub fn copies(train: &Dataset, test: &Dataset) -> Copies {
    let size = train.images().len() / train.count();
    let known: HashSet<&[u8]> = train.images().chunks(size).collect();
    Copies {
        within_training: train.count() - known.len(),
        held_out: test.images().chunks(size).filter(|image| known.contains(image)).count(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_channel_has_its_own_mean_and_deviation() {
        // Two images of 1x1 in colour.
        let data = Dataset::new(vec![0, 255, 51, 0, 255, 153], vec![0, 0], 3, 1, 1).unwrap();
        let expected = [(0.0, 0.0), (1.0, 0.0), (0.4, 0.2)];
        for ((mean, deviation), (wanted_mean, wanted_deviation)) in pixels(&data).into_iter().zip(expected) {
            assert!((mean - wanted_mean).abs() < 1e-12 && (deviation - wanted_deviation).abs() < 1e-12);
        }
    }

    #[test]
    fn copies_are_counted_whatever_their_label() {
        let data = |bytes: &[u8]| Dataset::new(bytes.to_vec(), (0..bytes.len() as u8).collect(), 1, 1, 9).unwrap();
        let found = copies(&data(&[1, 2, 1, 1, 3]), &data(&[3, 4, 3]));
        assert_eq!(found, Copies { within_training: 2, held_out: 2 });
        assert_eq!(copies(&data(&[1]), &data(&[2])), Copies { within_training: 0, held_out: 0 });
    }
}
