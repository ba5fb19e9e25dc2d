//! SPIR-V: Khronos' validator, and kernels that Microsoft's compiler put into it.

use std::collections::HashMap;
use std::io::{self, Write};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use runtime::{Kernel, ShaderCode};

use super::{Dxc, Hlsl, Registers, specialise};

/// The environment of wgpu's modules; those with cooperative matrices use Vulkan's memory model, which 1.1 has
/// as an extension.
const TARGET: &str = "vulkan1.1";

/// What spirv-val has against a module: nothing if it is valid.
///
/// # Errors
/// Where spirv-val cannot be run; `NotFound` if there is none.
pub fn spirv_val(module: &[u32]) -> io::Result<String> {
    let mut command = Command::new("spirv-val");
    command.args(["--target-env", TARGET, "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(bytemuck::cast_slice(module))?;
    }
    let output = child.wait_with_output()?;
    Ok(match output.status.success() {
        true => String::new(),
        false => format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
    })
}

/// A kernel that went from WGSL to HLSL in naga, and on to SPIR-V in DXC: a second opinion on what its
/// shader means. Takes the place of its own shader on a device under Vulkan.
///
/// # Panics
/// Where there is no DXC, or it does not accept the kernel.
pub fn compiled_by_dxc(kernel: &Kernel, constants: &[(&'static str, f64)]) -> Option<ShaderCode> {
    type Compiled = HashMap<(&'static str, Vec<(&'static str, u64)>), Vec<u32>>;
    // Each test opens a device of its own, and with it come new pipelines.
    static COMPILED: Mutex<Option<Compiled>> = Mutex::new(None);
    let key = (kernel.name, constants.iter().map(|(name, value)| (*name, value.to_bits())).collect());
    // After a panic the map still has only whole modules in it.
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let words = compiled.get_or_insert_default().entry(key).or_insert_with(|| compile(kernel, constants)).clone();
    // SAFETY: the compiler's output is valid, and the kernels stay within their bindings.
    #[allow(unsafe_code)]
    Some(unsafe { ShaderCode::spirv(words) })
}

fn compile(kernel: &Kernel, constants: &[(&'static str, f64)]) -> Vec<u32> {
    let case = format!("{} {constants:?}", kernel.name);
    let Some(dxc) = Dxc::find() else { panic!("there is no DXC; tests/tools.sh fetches it") };
    let (module, info) = specialise(kernel, constants);
    let hlsl = Hlsl { registers: Registers::Vulkan, checked: true }.write(kernel, &module, &info);
    let hlsl = hlsl.unwrap_or_else(|error| panic!("{case}: {error}"));
    dxc.spirv(&hlsl).unwrap_or_else(|error| panic!("{case}: {}: {error}\n{hlsl}", dxc.name))
}
