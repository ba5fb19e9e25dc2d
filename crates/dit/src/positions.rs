//! The fixed 2-D sine-cosine position embedding.

/// (side · side, width): the first half of the columns from a token's column, the second from its
/// row; in each half sines, then cosines, of frequencies 10000^(−i / (width / 4)). The width is a multiple of 4.
pub fn sine_cosine(side: usize, width: usize) -> Vec<f32> {
    let quarter = width / 4;
    let frequency = |i: usize| 10_000f64.powf(-(i as f64) / quarter as f64);
    let mut table = Vec::with_capacity(side * side * width);
    for row in 0..side {
        for column in 0..side {
            for position in [column, row] {
                table.extend((0..quarter).map(|i| (position as f64 * frequency(i)).sin() as f32));
                table.extend((0..quarter).map(|i| (position as f64 * frequency(i)).cos() as f32));
            }
        }
    }
    table
}

/// The frequencies of the time features: 10000^(−i / steps) for i below `count`.
///
/// In f32 throughout, as PyTorch's DiT computes them: with times scaled by 1000 the last bit shows.
pub(crate) fn time_frequencies(count: usize, steps: usize) -> Vec<f32> {
    let log_period = -(10_000f64.ln()) as f32;
    (0..count).map(|i| (log_period * i as f32 / steps as f32).exp()).collect()
}
