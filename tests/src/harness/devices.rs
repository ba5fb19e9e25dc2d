//! The devices that tests run on.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, io};

use super::fence::OVERHANG;
use runtime::{Device, DeviceOptions, Error, Kernel, MatrixSize, ShaderCode, Shaders};

use crate::languages::compiled_by_dxc;

/// Names the software adapter to test on; llvmpipe unless it is set.
pub const ADAPTER: &str = "KERNEL_TEST_ADAPTER";
const DEFAULT_ADAPTER: &str = "llvmpipe";
/// If this is 1, a missing adapter is a skip and no failure.
pub const WITHOUT_GPU: &str = "KERNEL_TESTS_WITHOUT_GPU";
/// If this is 1, only the adapter is tested: for a second run, that differs in the adapter alone.
pub const WITHOUT_CPU: &str = "KERNEL_TESTS_WITHOUT_CPU";
/// How shaders reach the adapter's driver: `checked`, which is the default, `trusted`, or `hlsl`: through
/// HLSL, and Microsoft's compiler, as SPIR-V.
pub const SHADERS: &str = "KERNEL_TEST_SHADERS";
/// If this is 1, the adapter is taken for hardware, for which kernels have other variants.
pub const AS_HARDWARE: &str = "KERNEL_TEST_AS_HARDWARE";
/// If this is 1, whatever would be skipped is a failure.
pub const REQUIRED: &str = "BACKENDS_REQUIRED";
/// Names a folder: a file NAME.wgsl there runs in place of the kernel NAME's own shader.
pub const SHADER_FOLDER: &str = "KERNEL_TEST_SHADER_FOLDER";

/// The CPU unless [`WITHOUT_CPU`] is 1, and the software adapter with WebGPU's default limits.
///
/// # Panics
/// Where the adapter is missing, unless [`WITHOUT_GPU`] is 1.
pub fn devices() -> Vec<Device> {
    let mut devices = Vec::new();
    if env::var(WITHOUT_CPU).as_deref() != Ok("1") {
        let cpu = Device::open(&DeviceOptions::cpu());
        devices.push(cpu.unwrap_or_else(|error| panic!("the CPU does not open: {error}")));
    }
    devices.extend(adapter(options));
    devices
}

/// The software adapter taken for hardware, for reduced precision or not; nothing, which is said, where it has none, or is
/// missing and [`WITHOUT_GPU`] is 1.
///
/// # Panics
/// Where the adapter is missing otherwise.
pub fn adapter_as_hardware(half: bool) -> Option<Device> {
    adapter(|name| DeviceOptions { as_hardware: true, half, ..options(name) })
}

fn adapter(options: impl Fn(&str) -> DeviceOptions) -> Option<Device> {
    let name = env::var(ADAPTER).unwrap_or_else(|_| DEFAULT_ADAPTER.into());
    match Device::open(&options(&name)) {
        Ok(device) => Some(device),
        Err(Error::NoAdapter(_)) if env::var(WITHOUT_GPU).as_deref() == Ok("1") => {
            report_skip(format_args!("no adapter `{name}`, so only the CPU was tested"));
            None
        }
        Err(Error::NoHalf(_)) => {
            report_lack(format_args!("{name} has no 16-bit floats"));
            None
        }
        Err(error) => panic!(
            "half of the kernel tests cannot run: {error}. Install a software Vulkan driver (Debian, Ubuntu: apt install \
             mesa-vulkan-drivers), or name another adapter in {ADAPTER}, or set {WITHOUT_GPU}=1 to test the CPU alone"
        ),
    }
}

/// The same for kernels of reduced precision; without the adapter, which is said, where it has none or
/// lacks the matrices. The CPU is opened for it too, but for matrices of an adapter, of which it has a body in f32.
///
/// # Panics
/// Where the adapter is missing, unless [`WITHOUT_GPU`] is 1.
pub fn half_devices(matrices: Option<MatrixSize>) -> Vec<Device> {
    let mut devices = devices();
    if matrices.is_none()
        && let Some(place) = devices.iter().position(|device| device.adapter().is_none())
    {
        match Device::open(&DeviceOptions { half: true, ..DeviceOptions::cpu() }) {
            Ok(cpu) => devices[place] = cpu,
            Err(Error::NoBfloat16) => {
                devices.remove(place);
                report_lack("the CPU multiplies no bfloat16");
            }
            Err(error) => panic!("the CPU does not open for reduced precision: {error}"),
        }
    }
    let Some(place) = devices.iter().position(|device| device.adapter().is_some()) else { return devices };
    let plain = devices.remove(place);
    if env::var(SHADERS).as_deref() == Ok("hlsl") {
        report_lack("naga's HLSL has no 16-bit floats before shader model 6.2, and no cooperative matrices");
        return devices;
    }
    let name = env::var(ADAPTER).unwrap_or_else(|_| DEFAULT_ADAPTER.into());
    match Device::open(&DeviceOptions { half: true, ..options(&name) }) {
        Ok(device) if matrices.is_none() || device.half().is_some_and(|half| half.matrices() == matrices) => {
            devices.push(device);
        }
        Ok(_) => {
            let size = if matrices == Some(MatrixSize::Sixteen) { 16 } else { 8 };
            report_lack(format_args!("{plain} has no cooperative matrices of {size} × {size}"));
        }
        Err(Error::NoHalf(_)) => report_lack(format_args!("{plain} has no 16-bit floats")),
        Err(error) => panic!("{plain} does not open for reduced precision: {error}"),
    }
    devices
}

/// Says what a device lacks: no tool that could be fetched, so no failure where nothing may be skipped.
fn report_lack(what: impl Display) {
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "SKIPPED: {what}");
}

fn options(adapter: &str) -> DeviceOptions {
    DeviceOptions {
        default_limits: true,
        as_hardware: env::var(AS_HARDWARE).as_deref() == Ok("1"),
        timestamps: true,
        shaders: shaders(),
        overhang: OVERHANG,
        ..DeviceOptions::adapter(adapter)
    }
}

fn shaders() -> Shaders {
    let shaders = match env::var(SHADERS).as_deref() {
        Err(_) | Ok("checked") => Shaders::default(),
        // SAFETY: these are the project's own kernels, which stay within their bindings.
        #[allow(unsafe_code)]
        Ok("trusted") => unsafe { Shaders::trusted() },
        Ok("hlsl") => Shaders::default().replaced_by(compiled_by_dxc),
        Ok(other) => panic!("{SHADERS} is `{other}`; it can be checked, trusted or hlsl"),
    };
    let Some(folder) = env::var_os(SHADER_FOLDER) else { return shaders };
    // A test starts in its package's folder, not where cargo was called.
    assert!(Path::new(&folder).is_dir(), "{SHADER_FOLDER} is {folder:?}, which is no folder; give its whole path");
    shaders.replaced_by(from_folder)
}

/// What [`SHADER_FOLDER`] has for a kernel: linked WGSL.
fn from_folder(kernel: &Kernel, _: &[(&'static str, f64)]) -> Option<ShaderCode> {
    let path = Path::new(&env::var_os(SHADER_FOLDER)?).join(kernel.name).with_extension("wgsl");
    match fs::read_to_string(&path) {
        Ok(text) => Some(ShaderCode::wgsl(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// Counts a skip and says what is missing, past the test harness, which would swallow what a passing
/// test prints.
///
/// # Panics
/// Where [`REQUIRED`] is 1.
pub fn report_skip(what: impl Display) {
    assert!(env::var(REQUIRED).as_deref() != Ok("1"), "{REQUIRED} is 1, but would be skipped: {what}");
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "SKIPPED ({count} so far): {what}");
}
