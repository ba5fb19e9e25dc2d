//! The languages that kernels reach drivers in: what wgpu would write for them, and the compilers and
//! validators that say whether it is right.
#![allow(clippy::panic)] // a test fails by panicking

mod constants;
mod dxc;
mod hlsl;
mod modules;
mod spirv;
mod tally;
mod tools;

pub use constants::{Constants, constants};
pub use dxc::Dxc;
pub use hlsl::{Hlsl, Registers};
pub use modules::{ENTRY, Needs, for_each_module, module, specialise, text};
pub use spirv::{compiled_by_dxc, spirv_val};
pub use tally::Tally;
pub use tools::tool;
