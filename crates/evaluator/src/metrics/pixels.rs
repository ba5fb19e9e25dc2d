//! What pixels of 0 to 255 tell by themselves.

use std::collections::HashSet;

/// Below this a pixel is background: a tenth of white.
const BACKGROUND: u8 = 26;

/// The share of pixels that are exactly black: 0 to 1, NaN of none.
pub fn share_of_black(images: &[u8]) -> f64 {
    images.iter().filter(|pixel| **pixel == 0).count() as f64 / images.len() as f64
}

/// The mean level, of 255, of the pixels below a tenth of white: leftover noise shows here. NaN where there are none.
pub fn level_of_background(images: &[u8]) -> f64 {
    let background = || images.iter().filter(|pixel| **pixel < BACKGROUND);
    background().map(|pixel| f64::from(*pixel)).sum::<f64>() / background().count() as f64
}

/// The number of images of `size` pixels that are the same as one before them.
pub fn duplicates(images: &[u8], size: usize) -> usize {
    let mut seen = HashSet::new();
    images.chunks_exact(size).filter(|image| !seen.insert(*image)).count()
}

/// Means of squares of `pool`² pixels, of images of `side`² pixels, as parts of 1: (N, (side / pool)²). The pool
/// divides the side.
pub fn pooled(images: &[u8], side: usize, pool: usize) -> Vec<f32> {
    let (along, scale) = (side / pool, 1.0 / (255 * pool * pool) as f32);
    let of_image = |image: &[u8]| {
        let mut sums = vec![0_u32; along * along];
        for (i, pixel) in image.iter().enumerate() {
            sums[i / side / pool * along + i % side / pool] += u32::from(*pixel);
        }
        sums.into_iter().map(|sum| sum as f32 * scale).collect::<Vec<_>>()
    };
    images.chunks_exact(side * side).flat_map(of_image).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_counted() {
        assert_eq!(share_of_black(&[0, 1, 0, 255]), 0.5);
        assert_eq!(level_of_background(&[0, 10, 25, 26, 255, 5]), 10.0);
        assert!(level_of_background(&[255]).is_nan());
        assert_eq!(duplicates(&[1, 2, 3, 4, 1, 2, 1, 2], 2), 2);
        assert_eq!(duplicates(&[1, 2], 2), 0);
    }

    #[test]
    fn pools_are_means() {
        let image: Vec<u8> = vec![0, 255, 0, 0, 255, 0, 0, 0, 255, 255, 51, 0, 255, 255, 0, 0];
        let found = pooled(&image, 4, 2);
        assert!(found.iter().zip([0.5, 0.0, 1.0, 0.05]).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
        assert_eq!(pooled(&[255], 1, 1), [1.0]);
    }
}
