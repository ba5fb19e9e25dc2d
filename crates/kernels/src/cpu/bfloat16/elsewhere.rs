//! Where nothing is programmed that multiplies bfloat16.

use super::gemm::Strided;
use super::product::Destination;

/// There is none.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {}

impl Unit {
    pub(crate) fn exact() -> Option<Self> {
        None
    }

    pub(crate) fn rounding() -> Self {
        unreachable!("no device opens for bfloat16 on a CPU that does not multiply it")
    }

    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        Vec::new()
    }
}

pub(crate) fn product(unit: Unit, _: [usize; 3], _: Strided<'_>, _: Strided<'_>, _: Destination<'_>) {
    match unit {}
}

pub(crate) mod feed_forward {
    use super::Destination;
    use crate::cpu::feed_forward::{FeedForward, Gradients};

    pub(crate) fn forward(layers: FeedForward<'_>, _: Destination<'_>) {
        match layers.unit {}
    }

    pub(crate) fn backward(layers: FeedForward<'_>, _: &[f32], _: Gradients<'_>) {
        match layers.unit {}
    }
}
