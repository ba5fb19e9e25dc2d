//! Where kernels run.
//!
//! A [`Device`] is a wgpu adapter or the CPU. A [`Stream`] takes the same [`Launch`] on either: a
//! [`Kernel`] is one thing with two bodies, a WGSL text and a function over slices with the same
//! bindings. Everything above this crate is written once and knows neither.
//!
//! ```
//! use runtime::{Arguments, Binding, Device, DeviceOptions, Field, Kernel, Launch, Scalar, grid};
//!
//! static DOUBLE: Kernel = Kernel {
//!     name: "double",
//!     wgsl: Some("
//!         struct Parameters { len: u32 }
//!         @group(0) @binding(0) var<uniform> parameters: Parameters;
//!         @group(0) @binding(1) var<storage, read_write> x: array<f32>;
//!         @compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
//!             if id.x < parameters.len { x[id.x] *= 2.0; }
//!         }"),
//!     parameters: &[Field { name: "len", scalar: Scalar::U32 }],
//!     bindings: &[Binding::write("x")],
//!     cpu: |_, arguments: Arguments<'_>| {
//!         let [x] = arguments.take();
//!         x.write::<f32>().iter_mut().for_each(|x| *x *= 2.0);
//!     },
//! };
//!
//! let device = Device::open(&DeviceOptions::cpu())?; // DeviceOptions::default(): a hardware GPU, where there is one
//! let mut stream = device.stream()?;
//! let x = stream.upload(&[1.0f32, 2.0, 3.0])?;
//! stream.launch(&Launch {
//!     kernel: &DOUBLE,
//!     parameters: x.len() as u32,
//!     buffers: &[&x],
//!     constants: &[],
//!     workgroups: grid(x.len(), 64),
//! })?;
//! assert_eq!(stream.read::<f32>(&x)?, [2.0, 4.0, 6.0]);
//! # Ok::<(), runtime::Error>(())
//! ```
//!
//! `docs/kernel.md` makes a whole kernel, with its shape checks and its test, and explains each line.
//!
//! Memory comes from the device's pool, and goes back when the last handle to a [`Buffer`] is dropped.
//! On a GPU launches are recorded, and go to the driver together when the stream is submitted or
//! something is read; nothing else waits. What goes wrong is an [`Error`], which prints as one sentence.
//! [`Stream::start_profile`] records what ran when.

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
mod tuning;
mod vector_unit;
mod waiting;

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
pub use tuning::TuningKey;
pub use vector_unit::VectorUnit;
pub use waiting::wait;
