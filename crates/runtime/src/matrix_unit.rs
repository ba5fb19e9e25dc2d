//! The bfloat16 matrix unit of the CPU: Intel's AMX, for which Linux has to be asked.

use crate::VectorUnit;

/// Proof that this process may use the CPU's matrix unit (AMX with bfloat16), and its [`VectorUnit`], which every CPU with
/// the former has. There is none on other targets than Linux on x86-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MatrixUnit(Unit);

impl MatrixUnit {
    /// The unit, if there is one and the system lets this process use it; asked once.
    pub fn get() -> Option<Self> {
        static UNIT: std::sync::OnceLock<Option<MatrixUnit>> = std::sync::OnceLock::new();
        *UNIT.get_or_init(|| VectorUnit::get().and_then(|_| detect()).map(Self))
    }
}

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
use linux::{Unit, detect};

#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
mod linux {
    use std::arch::x86_64::{__cpuid, __cpuid_count};

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Unit;

    /// Bits of EDX in leaf 7 of CPUID: AMX-BF16 and AMX-TILE.
    const BFLOAT16_AND_TILES: u32 = 1 << 22 | 1 << 24;

    pub(super) fn detect() -> Option<Unit> {
        #[allow(unsafe_code, unused_unsafe)] // CPUID became safe to ask after Rust 1.89
        // SAFETY: every x86-64 CPU has the instruction.
        let features = unsafe { if __cpuid(0).eax < 7 { 0 } else { __cpuid_count(7, 0).edx } };
        (features & BFLOAT16_AND_TILES == BFLOAT16_AND_TILES && permitted()).then_some(Unit)
    }

    /// Asks for the tiles' 8 KiB of state, for all threads of this process; Linux gives it since 5.16.
    fn permitted() -> bool {
        const ARCH_REQ_XCOMP_PERM: libc::c_long = 0x1023;
        const XFEATURE_XTILEDATA: libc::c_long = 18;
        #[allow(unsafe_code)] // the one way to the matrix unit, which is several times as fast as the rest
        // SAFETY: this request takes a number and touches no memory of ours; older kernels return an error.
        unsafe {
            libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0
        }
    }
}

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
use elsewhere::{Unit, detect};

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
mod elsewhere {
    /// There is none.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) enum Unit {}

    pub(super) fn detect() -> Option<Unit> {
        None
    }
}
