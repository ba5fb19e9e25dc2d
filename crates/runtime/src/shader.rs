//! How a kernel's shader reaches the driver: with wgpu's run-time checks, without, or replaced.

use crate::Kernel;

/// Gives a shader that runs in place of a kernel's own, for a launch's `override` constants; `None`
/// leaves the kernel's own.
pub type Replacement = fn(&Kernel, &[(&'static str, f64)]) -> Option<ShaderCode>;

/// How a device makes pipelines of shaders; by default from the kernels' own, checked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shaders {
    pub(crate) trusted: bool,
    pub(crate) replacement: Option<Replacement>,
}

impl Shaders {
    /// Without the checks that wgpu writes into shaders: indices are not kept in bounds, loops not
    /// ended by force, divisors not tested for zero.
    ///
    /// # Safety
    /// Every kernel that the device will be given must index within its bindings and end its loops
    /// whatever its buffers hold. The kernels of this project do: their launches refuse shapes that do
    /// not fit, and their shaders check what they index by data.
    #[allow(unsafe_code)] // a promise that the caller makes
    pub unsafe fn trusted() -> Self {
        Self { trusted: true, ..Self::default() }
    }

    /// With other shaders in place of the kernels' own: to try a change of one without building, or
    /// to run what another compiler made of it.
    pub fn replaced_by(self, replacement: Replacement) -> Self {
        Self { replacement: Some(replacement), ..self }
    }
}

/// A shader that replaces a kernel's own. Its bindings and parameters must be the kernel's.
#[derive(Clone, Debug)]
pub struct ShaderCode(pub(crate) Code);

#[derive(Clone, Debug)]
pub(crate) enum Code {
    Wgsl(String),
    SpirV(Vec<u32>),
}

impl ShaderCode {
    /// WGSL, which still gets the launch's constants, and the checks unless the device does without.
    pub fn wgsl(text: String) -> Self {
        Self(Code::Wgsl(text))
    }

    /// SPIR-V with the launch's constants already in it, for an adapter under Vulkan.
    ///
    /// # Safety
    /// The driver gets it as it is: it must be valid, and stay within its bindings.
    #[allow(unsafe_code)] // a promise that the caller makes
    pub unsafe fn spirv(words: Vec<u32>) -> Self {
        Self(Code::SpirV(words))
    }
}

/// Makes a shader module for a pipeline.
pub(crate) fn module(
    device: &wgpu::Device,
    shaders: &Shaders,
    kernel: &Kernel,
    constants: &[(&'static str, f64)],
) -> wgpu::ShaderModule {
    let label = Some(kernel.name);
    let text = match shaders.replacement.and_then(|replacement| replacement(kernel, constants)) {
        Some(ShaderCode(Code::SpirV(words))) => return spirv_module(device, kernel, words),
        Some(ShaderCode(Code::Wgsl(text))) => text.into(),
        None => match kernel.wgsl {
            Some(text) => text.into(),
            None => unreachable!("{} has no shader, for which its launch was refused", kernel.name),
        },
    };
    let descriptor = wgpu::ShaderModuleDescriptor { label, source: wgpu::ShaderSource::Wgsl(text) };
    if !shaders.trusted {
        return device.create_shader_module(descriptor);
    }
    #[allow(unsafe_code)] // measured: docs/architecture.md
    // SAFETY: whoever asked for trusted shaders promised that the kernels need no checks.
    unsafe {
        device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
    }
}

fn spirv_module(device: &wgpu::Device, kernel: &Kernel, words: Vec<u32>) -> wgpu::ShaderModule {
    let entry = wgpu::PassthroughShaderEntryPoint { name: "main".into(), workgroup_size: (1, 1, 1) };
    let descriptor = wgpu::ShaderModuleDescriptorPassthrough {
        label: Some(kernel.name),
        entry_points: vec![entry].into(),
        spirv: Some(words.into()),
        ..Default::default()
    };
    #[allow(unsafe_code)] // there is no other way to hand SPIR-V over as it is
    // SAFETY: whoever made the code promised that it is valid.
    unsafe {
        device.create_shader_module_passthrough(descriptor)
    }
}
