//! The differentiable operations, methods of [`crate::Tape`].

mod attention;
mod cross_entropy;
mod label_embedding;
mod layer_norm_modulate;
mod linear;
mod mean_pool;
mod mean_squared_error;
mod positions;
mod silu;
mod unpatchify;

pub use linear::Activation;

use kernels::Sequence;

use crate::Variable;

/// The shape of `rows` tokens of `width` columns, shared evenly by the items that `modulation` has a row for.
fn sequence(rows: usize, width: usize, modulation: &Variable) -> Sequence {
    let (batch, modulation_width) = (modulation.rows(), modulation.columns());
    Sequence { batch, tokens: rows / batch.max(1), width, modulation_width }
}
