//! The table of positions that the model adds to its patches.

use crate::sizes::{GRID, TOKENS, WIDTH};

/// Of each token, sines and cosines of its column and then of its row: tokens × width.
pub fn positions() -> Vec<f32> {
    let quarter = WIDTH / 4;
    let value = |index: usize| {
        let (token, channel) = (index / WIDTH, index % WIDTH);
        let coordinate = [token % GRID, token / GRID][channel / (2 * quarter)] as f32;
        let angle = coordinate / 10_000_f32.powf((channel % quarter) as f32 / quarter as f32);
        [angle.sin(), angle.cos()][channel / quarter % 2]
    };
    (0..TOKENS * WIDTH).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_token_has_no_angle() {
        let table = positions();
        assert_eq!(table.len(), TOKENS * WIDTH);
        assert!(table[..32].iter().all(|sine| *sine == 0.0));
        assert!(table[32..64].iter().all(|cosine| *cosine == 1.0));
        assert_eq!(table[WIDTH], 1_f32.sin());
        assert_eq!(table[GRID * WIDTH + 64], 1_f32.sin());
    }
}
