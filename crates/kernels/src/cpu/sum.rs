//! Sums in several lanes, which vectorise where a running sum would not, and lose less.

use multiversion::multiversion;

/// Independent partial sums: two vectors of the widest kind.
const LANES: usize = 32;

/// Σ term(i) over 0..len, in an order that depends on `len` alone.
#[inline(always)]
pub(crate) fn sum_by(len: usize, term: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let whole = len / LANES * LANES;
    for start in (0..whole).step_by(LANES) {
        for (lane, sum) in lanes.iter_mut().enumerate() {
            *sum += term(start + lane);
        }
    }
    for (lane, sum) in lanes.iter_mut().take(len - whole).enumerate() {
        *sum += term(whole + lane);
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
