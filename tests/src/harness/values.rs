//! Numbers to run kernels on.

/// Deterministic random values (SplitMix64, by Steele, Lea and Flood).
#[derive(Debug)]
pub struct Values(u64);

impl Values {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// The next number in [0, 1).
    fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Integers below `end`.
    pub fn below(&mut self, end: u32, len: usize) -> Vec<u32> {
        (0..len).map(|_| (self.bits() % u64::from(end)) as u32).collect()
    }

    /// Uniform in [low, high).
    pub fn uniform(&mut self, low: f64, high: f64, len: usize) -> Vec<f32> {
        (0..len).map(|_| (low + (high - low) * self.unit()) as f32).collect()
    }

    /// Near to standard normal: twelve uniform numbers added would be closer, four are enough here.
    pub fn normal(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| ((0..4).map(|_| self.unit()).sum::<f64>() - 2.0) as f32 * 1.75).collect()
    }

    /// Normal numbers times 0, 1e-4, 1 or 1e4 (the first times 1): for element-wise kernels.
    pub fn spread(&mut self, len: usize) -> Vec<f32> {
        const MAGNITUDES: [f32; 6] = [1.0, 0.0, 1e-4, 1.0, 1e4, 1.0];
        let mut values = self.normal(len);
        for value in values.iter_mut().skip(1) {
            *value *= MAGNITUDES[(self.bits() % 6) as usize];
        }
        values
    }
}
