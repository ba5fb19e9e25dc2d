//! Sums in several lanes, which vectorise where a running sum would not, and lose less.

use multiversion::multiversion;

/// Independent partial sums: two vectors of the widest kind.
const LANES: usize = 32;

/// Σ over i of term(what the rows have at i), in an order that depends on their length alone, which is one. In
/// blocks of a fixed size, or the compiler checks each index and adds one number at a time.
#[inline(always)]
pub(crate) fn sum_by<const N: usize>(rows: [&[f32]; N], term: impl Fn([f32; N]) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let blocks = rows.map(|row| row.as_chunks::<LANES>());
    for block in 0..blocks[0].0.len() {
        let rows = blocks.map(|(blocks, _)| &blocks[block]);
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(rows.map(|row| row[lane]));
        }
    }
    for (lane, sum) in lanes.iter_mut().take(blocks[0].1.len()).enumerate() {
        *sum += term(blocks.map(|(_, rest)| rest[lane]));
    }
    // Halves onto halves: a chain of five sums, where one lane after the other would be a chain of 32.
    let lanes: [f32; LANES / 2] = std::array::from_fn(|i| lanes[i] + lanes[i + LANES / 2]);
    let lanes: [f32; LANES / 4] = std::array::from_fn(|i| lanes[i] + lanes[i + LANES / 4]);
    let lanes: [f32; LANES / 8] = std::array::from_fn(|i| lanes[i] + lanes[i + LANES / 8]);
    (lanes[0] + lanes[2]) + (lanes[1] + lanes[3])
}

/// Adds each row, as long as `sums`, to `sums`.
#[multiversion(targets = "simd")]
pub(crate) fn add_rows(rows: &[f32], sums: &mut [f32]) {
    for row in rows.chunks_exact(sums.len()) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
}
