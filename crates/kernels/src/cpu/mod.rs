//! What CPU bodies share.

pub(crate) mod gemm;
pub(crate) mod math;
pub(crate) mod parallel;
