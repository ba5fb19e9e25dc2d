//! The differentiable operations, methods of [`crate::Tape`].

mod attention;
mod label_embedding;
mod layer_norm_modulate;
mod linear;
mod mean_squared_error;
mod positions;
mod silu;
mod unpatchify;

pub use linear::Activation;
