//! Every kernel of the project.
//!
//! A kernel is a stem: `shaders/silu.wgsl` is its GPU body; `silu.rs` here its host side, with the
//! parameter block, the bindings, the shape checks, the launch geometry and the CPU body.
//! Backward kernels stand beside forward ones. [`REGISTRY`] names them all.
//!
//! Launching a kernel is filling in a struct: `Silu { x: &x, out: &out }.launch(stream)?`.
//! Buffers are flat and row-major; the field docs give their shapes in the words of the
//! field: batch B, tokens T, width D, heads H, channels C, image side S.

/// The linked WGSL of a stem, as the build script left it.
macro_rules! wgsl {
    ($stem:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $stem, ".wgsl"))
    };
}

/// Declares the parameter block of a kernel: the struct that is uploaded, and the fields that
/// the registry compares with the shader.
macro_rules! parameters {
    ($($field:ident: $scalar:ty),* $(,)?) => {
        #[repr(C)]
        #[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
        struct Parameters {
            $($field: $scalar),*
        }

        const FIELDS: &[runtime::Field] = &[
            $(runtime::Field {
                name: stringify!($field),
                scalar: <$scalar as crate::shape::ParameterScalar>::SCALAR,
            }),*
        ];
    };
}

mod cpu;
mod registry;
mod shape;

pub mod silu;

pub use registry::REGISTRY;
pub use silu::Silu;
