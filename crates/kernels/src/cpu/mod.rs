//! What CPU bodies share.

pub(crate) mod gemm;
pub(crate) mod math;
pub(crate) mod normal;
pub(crate) mod parallel;
pub(crate) mod philox;
pub(crate) mod scratch;
pub(crate) mod sum;
pub(crate) mod trigonometry;
