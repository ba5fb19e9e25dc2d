//! Every kernel, with every set of its constants, in the languages that wgpu hands to drivers: within
//! the limits of each, and accepted by its compiler or validator.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod directx;
mod metal;
mod vulkan;
mod webgpu;
