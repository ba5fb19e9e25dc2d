//! The variants of the matrix product.

use runtime::{Kernel, MatrixSize, Stream};

#[cfg(doc)]
use crate::matmul::Epilogue;
use crate::matmul::{
    COOPERATIVE_8_KERNEL, COOPERATIVE_16_KERNEL, HALF_KERNEL, KERNEL, REGISTER_KERNEL, SUBGROUP_KERNEL, WIDE_KERNEL,
};
use crate::shape;

/// The shaders that compute the same product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// `matmul`: tiles in workgroup memory, any shape.
    Portable,
    /// `matmul_register`: tiles in registers, for adapters that run on a CPU. Takes n, and what
    /// lies along the rows of `a`, in multiples of 4.
    Register,
    /// `matmul_subgroup`: as [`Variant::Register`], for adapters with subgroups of 8 or more and integers of 64 bits.
    Subgroup,
    /// `matmul_wide`: more sums an invocation, for hardware GPUs. Takes the same shapes as [`Variant::Register`]. The CPU
    /// has no slices.
    Wide {
        /// How much of the product a workgroup makes.
        tile: Tile,
        /// Slices of k, at least 1, each of which makes a product of its own; these are then added up. More than one in
        /// [`Epilogue::Overwrite`] and [`Epilogue::Add`] only.
        slices: usize,
    },
    /// `matmul_f16`: operands rounded to 16 bits, any shape, for devices with a [`Half`](runtime::Half): to f16 on an adapter, to
    /// bfloat16 on the CPU, which also takes numbers below the least normal one, 2^-126, for zero.
    Half,
    /// `matmul_cooperative_8` or `_16`: operands rounded to 16 bits, any shape, for devices whose [`Half`](runtime::Half)
    /// has matrices of this size.
    Cooperative(MatrixSize),
}

/// What a workgroup of [`Variant::Wide`] makes of a product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tile {
    /// 64 × 64: more workgroups.
    Side64,
    /// 128 × 128: fewer loads.
    Side128,
}

impl Tile {
    /// Rows and columns.
    pub(crate) fn side(self) -> usize {
        match self {
            Tile::Side64 => 64,
            Tile::Side128 => 128,
        }
    }
}

impl Variant {
    /// Whether this variant runs on a stream's device; on the CPU all have the same body but [`Variant::Half`].
    pub(crate) fn runs_on(self, stream: &Stream) -> bool {
        let (half, cpu) = (stream.device().half(), stream.device().adapter().is_none());
        match self {
            Variant::Portable | Variant::Register | Variant::Wide { .. } => true,
            Variant::Subgroup => cpu || shape::shares_pairs(stream),
            Variant::Half => half.is_some(),
            Variant::Cooperative(size) => cpu || half.is_some_and(|half| half.matrices() == Some(size)),
        }
    }

    /// Whether the product for the gradient of a weight can make the sums that are that of a bias.
    pub(crate) fn sums(self) -> bool {
        matches!(self, Variant::Subgroup | Variant::Wide { .. })
    }

    /// Products that this variant makes of slices of k on a stream's device.
    pub(crate) fn slices(self, stream: &Stream) -> usize {
        match self {
            Variant::Wide { slices, .. } if stream.device().adapter().is_some() => slices,
            _ => 1,
        }
    }

    /// The kernel, and how many columns and rows of the product a workgroup of it makes.
    pub(crate) fn kernel(self) -> (&'static Kernel, [usize; 2]) {
        match self {
            Variant::Portable => (&KERNEL, [64, 64]),
            Variant::Register => (&REGISTER_KERNEL, [32, 64]),
            Variant::Subgroup => (&SUBGROUP_KERNEL, [64, 32]),
            Variant::Wide { tile, .. } => (&WIDE_KERNEL, [tile.side(); 2]),
            Variant::Half => (&HALF_KERNEL, [64, 64]),
            Variant::Cooperative(MatrixSize::Eight) => (&COOPERATIVE_8_KERNEL, [32, 32]),
            Variant::Cooperative(MatrixSize::Sixteen) => (&COOPERATIVE_16_KERNEL, [64, 64]),
        }
    }

    /// Whether rows are read as whole vec4s.
    pub(crate) fn reads_vec4s(self) -> bool {
        matches!(self, Variant::Register | Variant::Subgroup | Variant::Wide { .. })
    }
}
