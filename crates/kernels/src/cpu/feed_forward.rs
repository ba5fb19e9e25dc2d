//! What the matrix unit is told of two linear layers around GELU.
#![cfg_attr(not(all(target_arch = "x86_64", target_os = "linux")), allow(dead_code))] // read where there are such units

use runtime::MatrixUnit;

use super::bfloat16::Parts;
use super::gemm::Into;

/// Rows whose gradients are summed up together, by one task. At the rows of a batch of images it divides the work
/// evenly among few threads, and the sums stay a small part of what is read and written.
pub(crate) const SLICE: usize = 256;

/// gelu(x · weight₁ᵀ + bias) · weight₂ᵀ. No dimension is zero.
#[derive(Clone, Copy)]
pub(crate) struct FeedForward<'a> {
    pub(crate) unit: MatrixUnit,
    pub(crate) parts: Parts,
    /// Columns of x, between the layers, and of the result.
    pub(crate) widths: [usize; 3],
    /// (rows, in)
    pub(crate) x: &'a [f32],
    /// (hidden, in) and (out, hidden)
    pub(crate) weights: [&'a [f32]; 2],
    /// (hidden)
    pub(crate) bias: &'a [f32],
}

/// Where gradients go: that of x, and, of each [`SLICE`] of rows, those of the weights and of both biases.
pub(crate) struct Gradients<'a> {
    /// (rows, in)
    pub(crate) x: &'a mut [f32],
    pub(crate) into_x: Into,
    /// (slices, hidden, in) and (slices, out, hidden)
    pub(crate) weights: [&'a mut [f32]; 2],
    /// (slices, hidden) and (slices, out)
    pub(crate) biases: [&'a mut [f32]; 2],
}
