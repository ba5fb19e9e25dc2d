//! Where kernels run.
//!
//! A [`Device`] is a wgpu adapter or the CPU. A [`Stream`] takes the same [`Launch`] on either: a
//! [`Kernel`] is one thing with two bodies, a WGSL text and a function over slices with the same
//! bindings. Everything above this crate is written once and knows neither.

mod adapter;
mod buffer;
mod device;
mod error;
mod gpu;
mod half;
mod kernel;
mod matrix_unit;
mod profile;
mod recorder;
mod shader;
mod stream;
mod submission;
mod timer;

pub use adapter::{AdapterInfo, Backend, DeviceChoice, DeviceOptions, list_adapters};
pub use buffer::{ALIGNMENT, Buffer, MemoryUse};
pub use device::Device;
pub use error::{Error, Result};
pub use half::{Half, MatrixSize};
pub use kernel::{Access, Argument, Arguments, Binding, Field, Kernel, Launch, Scalar, grid};
pub use matrix_unit::MatrixUnit;
pub use profile::{Activity, HostSpan, KernelSpan, Profile, Value};
pub use shader::{Replacement, ShaderCode, Shaders};
pub use stream::Stream;
