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

pub mod adamw;
pub mod add;
pub mod add_positions;
pub mod attention;
pub mod attention_backward;
pub mod column_sum;
pub mod euler;
pub mod fill;
pub mod flow_point;
pub mod gate_backward;
pub mod gather_batch;
pub mod gaussian_noise;
pub mod gelu_backward;
pub mod gradient_clip;
pub mod guidance_euler;
pub mod label_dropout;
pub mod label_embedding;
pub mod label_embedding_backward;
pub mod layer_norm_modulate;
pub mod layer_norm_modulate_backward;
pub mod matmul;
pub mod modulation_backward;
pub mod mse;
pub mod mse_backward;
pub mod patchify;
pub mod silu;
pub mod silu_backward;
pub mod sum_of_squares;
pub mod time_features;
pub mod uniform_time;
pub mod unpatchify;

mod heads;
mod sequence;

pub use adamw::AdamW;
pub use add::Add;
pub use add_positions::AddPositions;
pub use attention::Attention;
pub use attention_backward::AttentionBackward;
pub use column_sum::ColumnSum;
pub use euler::Euler;
pub use fill::Fill;
pub use flow_point::FlowPoint;
pub use gate_backward::GateBackward;
pub use gather_batch::GatherBatch;
pub use gaussian_noise::GaussianNoise;
pub use gelu_backward::GeluBackward;
pub use gradient_clip::GradientClip;
pub use guidance_euler::GuidanceEuler;
pub use heads::Heads;
pub use label_dropout::LabelDropout;
pub use label_embedding::LabelEmbedding;
pub use label_embedding_backward::LabelEmbeddingBackward;
pub use layer_norm_modulate::LayerNormModulate;
pub use layer_norm_modulate_backward::LayerNormModulateBackward;
pub use matmul::{Epilogue, Layout, MatMul};
pub use modulation_backward::ModulationBackward;
pub use mse::Mse;
pub use mse_backward::MseBackward;
pub use patchify::{PatchOrder, Patchify};
pub use registry::REGISTRY;
pub use sequence::Sequence;
pub use silu::Silu;
pub use silu_backward::SiluBackward;
pub use sum_of_squares::SumOfSquares;
pub use time_features::TimeFeatures;
pub use uniform_time::UniformTime;
pub use unpatchify::Unpatchify;
