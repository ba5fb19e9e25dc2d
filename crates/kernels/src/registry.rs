//! All kernels by name.

use runtime::Kernel;

/// Every kernel. A shader without an entry here, or an entry without a test, fails the tests.
pub static REGISTRY: &[&Kernel] = &[
    &crate::adamw::KERNEL,
    &crate::add::KERNEL,
    &crate::add_positions::KERNEL,
    &crate::attention::KERNEL,
    &crate::attention_backward::KERNEL,
    &crate::column_sum::KERNEL,
    &crate::euler::KERNEL,
    &crate::fill::KERNEL,
    &crate::flow_point::KERNEL,
    &crate::gate_backward::KERNEL,
    &crate::gather_batch::KERNEL,
    &crate::gaussian_noise::KERNEL,
    &crate::gelu_backward::KERNEL,
    &crate::gradient_clip::KERNEL,
    &crate::guidance_euler::KERNEL,
    &crate::label_dropout::KERNEL,
    &crate::label_embedding::KERNEL,
    &crate::label_embedding_backward::KERNEL,
    &crate::layer_norm_modulate::KERNEL,
    &crate::layer_norm_modulate_backward::KERNEL,
    &crate::matmul::KERNEL,
    &crate::matmul::REGISTER_KERNEL,
    &crate::modulation_backward::KERNEL,
    &crate::mse::KERNEL,
    &crate::mse_backward::KERNEL,
    &crate::patchify::KERNEL,
    &crate::silu::KERNEL,
    &crate::silu_backward::KERNEL,
    &crate::sum_of_squares::KERNEL,
    &crate::time_features::KERNEL,
    &crate::uniform_time::KERNEL,
    &crate::unpatchify::KERNEL,
];
