//! Reverse-mode differentiation over the kernels.
//!
//! A [`Tape`] runs operations as they are called and remembers how to go back; [`Tape::backward`]
//! walks it in reverse and leaves the gradient of every parameter in one arena, which
//! [`Optimizer::step`] applies. Each operation is one file of `operations`, its forward above its
//! backward.

mod operations;
mod optimizer;
mod parameters;
mod tape;

pub use operations::Activation;
pub use optimizer::{AdamWOptions, Optimizer};
pub use parameters::{Gradients, Parameter, ParameterSpec, Parameters};
pub use tape::{Tape, Variable};
