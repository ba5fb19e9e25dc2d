//! The CPU's vectors of bfloat16: AVX-512 with BF16, which AMD has from Zen 4 on, and some of Intel's.

/// Proof that this CPU multiplies bfloat16 in vectors of 512 bits, sums in f32, and rounds to bfloat16 (AVX-512 F, BW and
/// BF16). There is none on other targets than x86-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VectorUnit(Unit);

impl VectorUnit {
    /// The unit, if there is one.
    pub fn get() -> Option<Self> {
        detect().map(Self)
    }
}

#[cfg(target_arch = "x86_64")]
use x86::{Unit, detect};

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::is_x86_feature_detected;

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Unit;

    pub(super) fn detect() -> Option<Unit> {
        let detected = is_x86_feature_detected!("avx512bf16")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512f");
        detected.then_some(Unit)
    }
}

#[cfg(not(target_arch = "x86_64"))]
use elsewhere::{Unit, detect};

#[cfg(not(target_arch = "x86_64"))]
mod elsewhere {
    /// There is none.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Unit {}

    pub(super) fn detect() -> Option<Unit> {
        None
    }
}
