//! What every test of a kernel needs: the devices, values, and comparison with an oracle.
#![allow(clippy::panic)] // a test fails by panicking

mod bench;
mod devices;
mod fence;
mod observations;
mod tolerance;
mod values;

pub use bench::{Bench, for_half_kernel, for_kernel, on_each_device, on_hardware};
pub use devices::{
    ADAPTER, REQUIRED, SHADER_FOLDER, SHADERS, WITHOUT_CPU, WITHOUT_GPU, adapter_as_hardware, devices, half_devices,
    report_skip,
};
pub use observations::{FOLDER, Kind, Observation};
pub use tolerance::Tolerance;
pub use values::Values;
