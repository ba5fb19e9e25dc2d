//! Where no matrix unit is programmed for.

use runtime::MatrixUnit;

use super::gemm::Strided;
use super::product::Destination;

/// What operands are made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Parts {
    One,
    Three,
}

pub(crate) fn product(
    unit: MatrixUnit,
    parts: Parts,
    _: [usize; 3],
    _: Strided<'_>,
    _: Strided<'_>,
    _: Destination<'_>,
) {
    unreachable!("{unit:?} is of no use on this target, for {parts:?}");
}

pub(crate) mod feed_forward {
    use super::Destination;
    use crate::cpu::feed_forward::{FeedForward, Gradients};

    pub(crate) fn forward(layers: FeedForward<'_>, _: Destination<'_>) {
        unreachable!("{:?} is of no use on this target", layers.unit);
    }

    pub(crate) fn backward(layers: FeedForward<'_>, _: &[f32], _: Gradients<'_>) {
        unreachable!("{:?} is of no use on this target", layers.unit);
    }
}
