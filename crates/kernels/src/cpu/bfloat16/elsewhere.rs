//! Where no matrix unit is programmed for.

use runtime::MatrixUnit;

use super::gemm::{Into, Strided};

pub(crate) fn product(unit: MatrixUnit, _: [usize; 3], _: Strided<'_>, _: Strided<'_>, _: &mut [f32], _: Into) {
    unreachable!("{unit:?} is of no use on this target");
}
