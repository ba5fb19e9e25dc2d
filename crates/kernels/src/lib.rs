//! Every kernel of the project.
//!
//! A kernel is a stem: `shaders/silu.wgsl` is its GPU body; `silu.rs` here its host side, with the
//! parameter block, the bindings, the shape checks, the launch geometry and the CPU body.
//! Backward kernels stand beside forward ones. [`REGISTRY`] names them all but [`CPU_KERNELS`], and `docs/tour.md` walks
//! a digit through each.
//!
//! Launching a kernel is filling in a struct:
//!
//! ```
//! use kernels::{Epilogue, Layout, MatMul, Silu};
//! use runtime::{Device, DeviceOptions};
//!
//! let mut stream = Device::open(&DeviceOptions::cpu())?.stream()?;
//! // out = A · Bᵀ, as a linear layer has it: A is (1, 3), and B, the weights, (2, 3).
//! let (a, b) = (stream.upload(&[1.0f32, 2.0, 3.0])?, stream.upload(&[1.0f32, 0.0, 0.0, -1.0, -1.0, -1.0])?);
//! let (product, out) = (stream.allocate(2)?, stream.allocate(2)?);
//! let (layout, epilogue) = (Layout::BTransposed, Epilogue::Overwrite);
//! MatMul { a: &a, b: &b, out: &product, layout, m: 1, n: 2, k: 3, epilogue }.launch(&mut stream)?;
//! Silu { x: &product, out: &out }.launch(&mut stream)?;
//! assert_eq!(stream.read::<f32>(&product)?, [1.0, -6.0]);
//! assert!((stream.read::<f32>(&out)?[0] - 0.731).abs() < 1e-3);
//!
//! // What does not fit is refused, with the shapes named.
//! let error = Silu { x: &a, out: &out }.launch(&mut stream).unwrap_err();
//! assert_eq!(error.to_string(), "silu: `out` has 2 elements, but `x` has 3");
//! # Ok::<(), runtime::Error>(())
//! ```
//!
//! Buffers are flat and row-major; the field docs give their shapes in the words of the
//! field: batch B, tokens T, width D, heads H, channels C, image side S.

/// The linked WGSL of a stem, as the build script left it.
macro_rules! wgsl {
    ($stem:literal) => {
        Some(include_str!(concat!(env!("OUT_DIR"), "/", $stem, ".wgsl")))
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

mod adamw;
mod add;
mod add_positions;
mod attention;
mod attention_backward;
mod column_sum;
mod cross_entropy;
mod cross_entropy_backward;
mod euler;
mod feed_forward;
mod feed_forward_backward;
mod fill;
mod flow_point;
mod gate_backward;
mod gather_batch;
mod gaussian_noise;
mod gelu_backward;
mod gradient_clip;
mod guidance_euler;
mod guided_velocity;
mod label_dropout;
mod label_embedding;
mod label_embedding_backward;
mod layer_norm_modulate;
mod layer_norm_modulate_backward;
mod linear_backward;
mod logit_normal_time;
mod matmul;
mod matmul_choice;
mod matmul_variant;
mod mean_pool;
mod mean_pool_backward;
mod modulation_backward;
mod mse;
mod mse_backward;
mod patchify;
mod scaled_error;
mod silu;
mod silu_backward;
mod sum_of_squares;
mod time_features;
mod uniform_time;
mod unpatchify;

mod heads;
mod path;
mod sequence;

pub use adamw::AdamW;
pub use add::Add;
pub use add_positions::AddPositions;
pub use attention::Attention;
pub use attention_backward::AttentionBackward;
pub use column_sum::ColumnSum;
pub use cross_entropy::CrossEntropy;
pub use cross_entropy_backward::CrossEntropyBackward;
pub use euler::Euler;
pub use feed_forward::FeedForward;
pub use feed_forward_backward::FeedForwardBackward;
pub use fill::Fill;
pub use flow_point::FlowPoint;
pub use gate_backward::GateBackward;
pub use gather_batch::GatherBatch;
pub use gaussian_noise::GaussianNoise;
pub use gelu_backward::GeluBackward;
pub use gradient_clip::GradientClip;
pub use guidance_euler::GuidanceEuler;
pub use guided_velocity::GuidedVelocity;
pub use heads::Heads;
pub use label_dropout::LabelDropout;
pub use label_embedding::LabelEmbedding;
pub use label_embedding_backward::LabelEmbeddingBackward;
pub use layer_norm_modulate::LayerNormModulate;
pub use layer_norm_modulate_backward::LayerNormModulateBackward;
pub use linear_backward::LinearBackward;
pub use logit_normal_time::LogitNormalTime;
pub use matmul::{Epilogue, Layout, MatMul};
pub use matmul_variant::{Tile, Variant};
pub use mean_pool::MeanPool;
pub use mean_pool_backward::MeanPoolBackward;
pub use modulation_backward::ModulationBackward;
pub use mse::Mse;
pub use mse_backward::MseBackward;
pub use patchify::{PatchOrder, Patchify};
pub use path::{Coefficients, FlowPath};
pub use registry::{CPU_KERNELS, REGISTRY};
pub use scaled_error::ScaledError;
pub use sequence::Sequence;
pub use silu::Silu;
pub use silu_backward::SiluBackward;
pub use sum_of_squares::SumOfSquares;
pub use time_features::TimeFeatures;
pub use uniform_time::UniformTime;
pub use unpatchify::Unpatchify;
