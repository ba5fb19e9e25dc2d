//! All kernels by name.

use runtime::Kernel;

/// Every kernel. A shader without an entry here, or an entry without a test, fails the tests.
pub static REGISTRY: &[&Kernel] = &[&crate::silu::KERNEL];
