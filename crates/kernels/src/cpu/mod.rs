//! What CPU bodies share.

#[cfg(target_arch = "x86_64")]
pub(crate) mod bfloat16;
#[cfg(not(target_arch = "x86_64"))]
#[path = "bfloat16/elsewhere.rs"]
pub(crate) mod bfloat16;
pub(crate) mod feed_forward;
pub(crate) mod gemm;
pub(crate) mod math;
pub(crate) mod normal;
mod panels;
pub(crate) mod parallel;
pub(crate) mod philox;
pub(crate) mod product;
pub(crate) mod scratch;
pub(crate) mod small_product;
pub(crate) mod split_heads;
pub(crate) mod sum;
pub(crate) mod trigonometry;
