//! All kernels by name.

use runtime::Kernel;

/// Every kernel of all devices. A shader without an entry here, or an entry without a test, fails the tests.
pub static REGISTRY: &[&Kernel] = &[
    &crate::adamw::KERNEL,
    &crate::adamw::PAIRS_KERNEL,
    &crate::add::KERNEL,
    &crate::add_positions::KERNEL,
    &crate::attention::KERNEL,
    &crate::attention::SUBGROUP_KERNEL,
    &crate::attention_backward::KERNEL,
    &crate::attention_backward::SUBGROUP_KERNEL,
    &crate::column_sum::KERNEL,
    &crate::column_sum::PAIRS_KERNEL,
    &crate::column_sum::QUADS_KERNEL,
    &crate::cross_entropy::KERNEL,
    &crate::cross_entropy_backward::KERNEL,
    &crate::euler::KERNEL,
    &crate::fill::KERNEL,
    &crate::flow_point::KERNEL,
    &crate::gate_backward::KERNEL,
    &crate::gather_batch::KERNEL,
    &crate::gaussian_noise::KERNEL,
    &crate::gelu_backward::KERNEL,
    &crate::gradient_clip::KERNEL,
    &crate::guidance_euler::KERNEL,
    &crate::guided_velocity::KERNEL,
    &crate::label_dropout::KERNEL,
    &crate::label_embedding::KERNEL,
    &crate::label_embedding_backward::KERNEL,
    &crate::layer_norm_modulate::KERNEL,
    &crate::layer_norm_modulate::SUBGROUP_KERNEL,
    &crate::layer_norm_modulate_backward::KERNEL,
    &crate::layer_norm_modulate_backward::SUBGROUP_KERNEL,
    &crate::logit_normal_time::KERNEL,
    &crate::matmul::KERNEL,
    &crate::matmul::COOPERATIVE_16_KERNEL,
    &crate::matmul::COOPERATIVE_8_KERNEL,
    &crate::matmul::HALF_KERNEL,
    &crate::matmul::REGISTER_KERNEL,
    &crate::matmul::SUBGROUP_KERNEL,
    &crate::matmul::WIDE_KERNEL,
    &crate::mean_pool::KERNEL,
    &crate::mean_pool_backward::KERNEL,
    &crate::modulation_backward::KERNEL,
    &crate::mse::KERNEL,
    &crate::mse_backward::KERNEL,
    &crate::patchify::KERNEL,
    &crate::scaled_error::KERNEL,
    &crate::silu::KERNEL,
    &crate::silu_backward::KERNEL,
    &crate::sum_of_squares::KERNEL,
    &crate::time_features::KERNEL,
    &crate::uniform_time::KERNEL,
    &crate::unpatchify::KERNEL,
];

/// Kernels that CPUs have beside those, and that have no shader: a GPU is given several others for each. `runs_on` of each says
/// which CPUs.
/// One without a test fails the tests.
pub static CPU_KERNELS: &[&Kernel] = &[
    &crate::feed_forward::KERNEL,
    &crate::feed_forward::HALF_KERNEL,
    &crate::feed_forward_backward::KERNEL,
    &crate::feed_forward_backward::HALF_KERNEL,
];
