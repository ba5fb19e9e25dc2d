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
