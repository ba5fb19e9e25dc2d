//! The devices that tests run on.

use std::fmt::Display;
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, io};

use runtime::{Device, DeviceOptions, Error, Kernel, ShaderCode, Shaders};

/// Names the software adapter to test on; llvmpipe unless it is set.
pub const ADAPTER: &str = "KERNEL_TEST_ADAPTER";
/// If this is 1, a missing adapter is a skip and no failure.
pub const WITHOUT_GPU: &str = "KERNEL_TESTS_WITHOUT_GPU";
/// `cpu` or `adapter` tests on one of the two alone; both unless it is set.
pub const DEVICES: &str = "KERNEL_TEST_DEVICES";
/// How shaders reach the adapter's driver: `checked`, which is the default, or `trusted`.
pub const SHADERS: &str = "KERNEL_TEST_SHADERS";
/// Names a folder: a file NAME.wgsl there runs in place of the kernel NAME's own shader.
pub const SHADER_FOLDER: &str = "KERNEL_TEST_SHADER_FOLDER";

/// The CPU, and the software adapter with WebGPU's default limits, or what [`DEVICES`] leaves of them.
///
/// # Panics
/// Where the adapter is missing, unless [`WITHOUT_GPU`] is 1.
pub fn devices() -> Vec<Device> {
    let open = |options: &DeviceOptions| Device::open(options);
    let cpu = || open(&DeviceOptions::cpu()).unwrap_or_else(|error| panic!("the CPU does not open: {error}"));
    let mut devices = match env::var(DEVICES).as_deref() {
        Err(_) => vec![cpu()],
        Ok("cpu") => return vec![cpu()],
        Ok("adapter") => vec![],
        Ok(other) => panic!("{DEVICES} is `{other}`; it can be cpu or adapter"),
    };
    let name = env::var(ADAPTER).unwrap_or_else(|_| "llvmpipe".into());
    match open(&DeviceOptions { default_limits: true, shaders: shaders(), ..DeviceOptions::adapter(&name) }) {
        Ok(device) => devices.push(device),
        Err(Error::NoAdapter(_)) if env::var(WITHOUT_GPU).as_deref() == Ok("1") => {
            report_skip(format_args!("no adapter `{name}`, so only the CPU was tested"));
        }
        Err(error) => panic!(
            "half of the kernel tests cannot run: {error}. Install a software Vulkan driver (Debian, Ubuntu: apt install \
             mesa-vulkan-drivers), or name another adapter in {ADAPTER}, or set {WITHOUT_GPU}=1 to test the CPU alone"
        ),
    }
    devices
}

fn shaders() -> Shaders {
    let shaders = match env::var(SHADERS).as_deref() {
        Err(_) | Ok("checked") => Shaders::default(),
        // SAFETY: these are the project's own kernels, which stay within their bindings.
        #[allow(unsafe_code)]
        Ok("trusted") => unsafe { Shaders::trusted() },
        Ok(other) => panic!("{SHADERS} is `{other}`; it can be checked or trusted"),
    };
    if env::var_os(SHADER_FOLDER).is_some() { shaders.replaced_by(from_folder) } else { shaders }
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
pub fn report_skip(what: impl Display) {
    static SKIPPED: AtomicUsize = AtomicUsize::new(0);
    let count = SKIPPED.fetch_add(1, Ordering::Relaxed) + 1;
    // Where standard error is closed there is nobody to tell.
    let _ = writeln!(io::stderr(), "SKIPPED ({count} so far): {what}");
}
