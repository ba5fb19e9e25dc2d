//! Philox4x32-10 (Salmon et al. 2011), the same words as `shaders/shared/philox.wgsl`.

/// What a counter's words are for, so that no two uses share any.
pub(crate) const NOISE: u32 = 0;
pub(crate) const TIME: u32 = 1;
pub(crate) const DROPOUT: u32 = 2;
pub(crate) const SHUFFLE: u32 = 3;

/// The key that a seed stands for: its low word, its high word.
pub(crate) fn key(seed: u64) -> [u32; 2] {
    [seed as u32, (seed >> 32) as u32]
}

/// The four random words of the counter (block, item, step, purpose).
#[inline(always)]
pub(crate) fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut c0, mut c1, mut c2, mut c3] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..10 {
        let first = 0xd251_1f53 * u64::from(c0);
        let second = 0xcd9e_8d57 * u64::from(c2);
        (c0, c1, c2, c3) =
            ((second >> 32) as u32 ^ c1 ^ k0, second as u32, (first >> 32) as u32 ^ c3 ^ k1, first as u32);
        k0 = k0.wrapping_add(0x9e37_79b9);
        k1 = k1.wrapping_add(0xbb67_ae85);
    }
    [c0, c1, c2, c3]
}

/// A number strictly between 0 and 1: (n + ½) / 2²⁴ of the upper 24 bits n. From 2²³ on the half
/// has no bit left in an f32 and is left out, so that rounding does not reach 1.
#[inline(always)]
pub(crate) fn to_uniform(word: u32) -> f32 {
    const SCALE: f32 = 1.0 / (1 << 24) as f32;
    let n = word >> 8;
    let half = if n < 1 << 23 { 0.5 } else { 0.0 };
    (n as f32 + half) * SCALE
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that come with Random123.
    #[test]
    fn philox_gives_the_known_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox4x32([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn uniform_stays_inside_its_interval_and_rises() {
        assert_eq!(to_uniform(0), 0.5 / 16_777_216.0);
        assert_eq!(to_uniform(u32::MAX), 16_777_215.0 / 16_777_216.0);
        assert!(to_uniform((1 << 31) - 1) < to_uniform(1 << 31));
    }
}
