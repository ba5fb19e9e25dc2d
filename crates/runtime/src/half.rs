//! What a device has for kernels that round their operands to 16 bits.

use crate::{AdapterInfo, Error, Result, VectorUnit};

/// The 16-bit floats of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Half {
    /// f16, on an adapter: 11 bits of precision, and no more range than gradients often leave.
    Float16 {
        /// The larger square matrices of f16 that its matrix units multiply and add up in f32, if it has any.
        matrices: Option<MatrixSize>,
    },
    /// bfloat16, on a CPU with a [`VectorUnit`]: 8 bits of precision, and the range of f32. A [`crate::MatrixUnit`] is faster.
    Bfloat16,
}

/// Rows and columns of a cooperative matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatrixSize {
    /// 8 × 8: Apple's GPUs, llvmpipe.
    Eight,
    /// 16 × 16: NVIDIA's and AMD's.
    Sixteen,
}

impl Half {
    /// What the CPU has.
    ///
    /// # Errors
    /// [`Error::NoBfloat16`] where it has none.
    pub(crate) fn of_cpu() -> Result<Self> {
        VectorUnit::get().map(|_| Half::Bfloat16).ok_or(Error::NoBfloat16)
    }

    /// What the adapter has.
    ///
    /// # Errors
    /// [`Error::NoHalf`] where it has no 16-bit floats.
    pub(crate) fn of(adapter: &wgpu::Adapter, info: &AdapterInfo) -> Result<Self> {
        if !adapter.features().contains(wgpu::Features::SHADER_F16) {
            return Err(Error::NoHalf(info.to_string()));
        }
        let cooperative = adapter.features().contains(COOPERATIVE);
        let sizes = [(MatrixSize::Sixteen, 16), (MatrixSize::Eight, 8)];
        let matrices = sizes.into_iter().find(|(_, size)| cooperative && multiplies(adapter, *size));
        Ok(Half::Float16 { matrices: matrices.map(|(size, _)| size) })
    }

    /// The size of matrices that the kernels of cooperative matrices find here.
    pub fn matrices(self) -> Option<MatrixSize> {
        match self {
            Half::Float16 { matrices } => matrices,
            Half::Bfloat16 => None,
        }
    }

    /// What a device must be opened with.
    pub(crate) fn features(self) -> wgpu::Features {
        match self.matrices() {
            Some(_) => wgpu::Features::SHADER_F16 | COOPERATIVE,
            None => wgpu::Features::SHADER_F16,
        }
    }

    /// Leave to use what wgpu calls experimental.
    pub(crate) fn experimental(self) -> wgpu::ExperimentalFeatures {
        if self.matrices().is_none() {
            return wgpu::ExperimentalFeatures::disabled();
        }
        #[allow(unsafe_code)] // the one way to the matrix units, which are several times as fast as the rest
        // SAFETY: wgpu asks to be told of what goes wrong with it. The kernels that use it load matrices from
        // workgroup memory and store them there, at places that do not depend on any data.
        unsafe {
            wgpu::ExperimentalFeatures::enabled()
        }
    }
}

/// The kernels number the subgroups of a workgroup too.
const COOPERATIVE: wgpu::Features = wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX.union(wgpu::Features::SUBGROUP);

/// Whether the adapter multiplies square matrices of f16 and adds up in f32.
fn multiplies(adapter: &wgpu::Adapter, size: u32) -> bool {
    adapter.cooperative_matrix_properties().iter().any(|properties| {
        [properties.m_size, properties.n_size, properties.k_size] == [size; 3]
            && properties.ab_type == wgpu::CooperativeScalarType::F16
            && properties.cr_type == wgpu::CooperativeScalarType::F32
    })
}
