//! Finding the hardware: which adapters there are, and which one was meant.

use std::fmt;
use std::str::FromStr;

use crate::waiting::wait;
use crate::{Error, Result, Shaders};

/// Whether kernels run on a GPU or on the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A hardware GPU where there is one, else the CPU.
    #[default]
    Auto,
    /// A GPU, or an error.
    Gpu,
    /// The CPU bodies of the kernels.
    Cpu,
}

/// The graphics interface under wgpu.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Vulkan: Linux, Windows, Android.
    Vulkan,
    /// Metal: macOS, iOS.
    Metal,
    /// Direct3D 12: Windows.
    Dx12,
    /// OpenGL ES 3.1. Used only when named: where it works one of the others does too, and looking
    /// for it makes some drivers print complaints.
    Gl,
}

impl Backend {
    const ALL: [Backend; 4] = [Backend::Vulkan, Backend::Metal, Backend::Dx12, Backend::Gl];

    fn flag(self) -> wgpu::Backends {
        match self {
            Backend::Vulkan => wgpu::Backends::VULKAN,
            Backend::Metal => wgpu::Backends::METAL,
            Backend::Dx12 => wgpu::Backends::DX12,
            Backend::Gl => wgpu::Backends::GL,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Backend::Vulkan => "vulkan",
            Backend::Metal => "metal",
            Backend::Dx12 => "dx12",
            Backend::Gl => "gl",
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Backend {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Backend::ALL
            .into_iter()
            .find(|backend| backend.name() == text)
            .ok_or_else(|| format!("`{text}` is no backend; choose vulkan, metal, dx12 or gl"))
    }
}

/// What a user said about the device; the default is to take the best there is.
#[derive(Clone, Debug, Default)]
pub struct DeviceOptions {
    /// GPU, CPU, or whichever there is.
    pub choice: DeviceChoice,
    /// Only adapters under this interface.
    pub backend: Option<Backend>,
    /// Only adapters whose name contains this, ignoring case. The one way to a software adapter.
    pub adapter: Option<String>,
    /// Keep to WebGPU's default limits even where the adapter allows more.
    pub default_limits: bool,
    /// Ask for what kernels of reduced precision need ([`Half`](crate::Half)), and fail where the adapter has none of it.
    pub half: bool,
    /// Be able to time kernels, where the adapter can: see [`crate::Stream::start_profile`]. The CPU always is.
    pub timestamps: bool,
    /// Take a software adapter for hardware, which makes kernels choose the variants that hardware gets: slower, but a way to
    /// run these where there is no hardware.
    pub as_hardware: bool,
    /// How kernels' shaders reach the driver.
    pub shaders: Shaders,
    /// Words that are bound beyond the end of each buffer, as far as its memory goes on. Drivers hide what a
    /// shader does beyond the end of a binding; tests that want to see it bind more. Else 0.
    pub overhang: usize,
}

impl DeviceOptions {
    /// The CPU, whatever else there is.
    pub fn cpu() -> Self {
        Self { choice: DeviceChoice::Cpu, ..Self::default() }
    }

    /// The adapter whose name contains `name`.
    pub fn adapter(name: impl Into<String>) -> Self {
        Self { choice: DeviceChoice::Gpu, adapter: Some(name.into()), ..Self::default() }
    }
}

/// An adapter as wgpu describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterInfo {
    /// The adapter's name, such as `NVIDIA H200` or `llvmpipe (LLVM 15.0.6, 256 bits)`.
    pub name: String,
    /// The interface it is reached through: `vulkan`, `metal`, `dx12`, `gl` or `webgpu`.
    pub backend: String,
    /// True for a rasteriser that runs on the CPU, such as llvmpipe or SwiftShader.
    pub software: bool,
    /// True for a GPU that is part of a processor; Apple's, which are as large as others, do not count.
    pub integrated: bool,
    /// The driver's name and version, as far as it tells.
    pub driver: String,
    /// The fewest invocations that a subgroup has; `None` where shaders can't use subgroups.
    pub smallest_subgroup: Option<u32>,
    /// Whether shaders can use integers of 64 bits.
    pub wide_integers: bool,
}

impl AdapterInfo {
    fn of(adapter: &wgpu::Adapter) -> Self {
        let (info, features) = (adapter.get_info(), features(adapter));
        Self {
            name: info.name,
            backend: info.backend.to_string(),
            software: info.device_type == wgpu::DeviceType::Cpu,
            integrated: info.device_type == wgpu::DeviceType::IntegratedGpu && info.backend != wgpu::Backend::Metal,
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            smallest_subgroup: features.contains(wgpu::Features::SUBGROUP).then_some(info.subgroup_min_size),
            wide_integers: features.contains(wgpu::Features::SHADER_INT64),
        }
    }
}

/// What an adapter can do that kernels may use. A browser asks of shaders with subgroups to say so, in a line that naga does
/// not read yet.
pub(crate) fn features(adapter: &wgpu::Adapter) -> wgpu::Features {
    let features = adapter.features();
    if cfg!(target_arch = "wasm32") { features - wgpu::Features::SUBGROUP } else { features }
}

impl fmt::Display for AdapterInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.name, self.backend)?;
        if self.software {
            f.write_str(", software")?;
        }
        f.write_str(")")
    }
}

/// Every adapter that can be reached through `backend`, or through Vulkan, Metal and Direct3D 12
/// where none is named; the preferred ones first. In a browser, which is asked asynchronously, there are none.
pub fn list_adapters(backend: Option<Backend>) -> Vec<AdapterInfo> {
    wait(enumerate(backend)).unwrap_or_default().iter().map(AdapterInfo::of).collect()
}

/// The adapter that the options mean, or `None` where they mean the CPU.
pub(crate) async fn choose(options: &DeviceOptions) -> Result<Option<(wgpu::Adapter, AdapterInfo)>> {
    let named = options.adapter.is_some() || options.backend.is_some();
    if options.choice == DeviceChoice::Cpu {
        return if named { Err(Error::Contradiction) } else { Ok(None) };
    }
    let wanted = options.adapter.as_deref().map(str::to_lowercase);
    let (mut hardware, mut software) = (Vec::new(), Vec::new());
    for adapter in enumerate(options.backend).await {
        let info = AdapterInfo::of(&adapter);
        if wanted.as_ref().is_some_and(|wanted| !info.name.to_lowercase().contains(wanted)) {
            continue;
        }
        if info.software { software.push((adapter, info)) } else { hardware.push((adapter, info)) }
    }
    // A software rasteriser is slower than the CPU bodies: it is never what someone meant unless named.
    if options.adapter.is_some() {
        hardware.append(&mut software);
    }
    match hardware.into_iter().next() {
        Some(found) => Ok(Some(found)),
        None if options.choice == DeviceChoice::Auto && !named => Ok(None),
        None => Err(none_found(options, &software.into_iter().map(|(_, info)| info).collect::<Vec<_>>())),
    }
}

fn none_found(options: &DeviceOptions, software: &[AdapterInfo]) -> Error {
    let under = options.backend.map(|backend| format!(" under {backend}")).unwrap_or_default();
    Error::NoAdapter(match (&options.adapter, software.first()) {
        (Some(name), _) => {
            let present: Vec<String> = list_adapters(options.backend).iter().map(ToString::to_string).collect();
            let present = if present.is_empty() { "none".to_owned() } else { present.join(", ") };
            format!(
                "no adapter{under} has `{name}` in its name (found: {present}); see --list-devices, or use --device cpu"
            )
        }
        (None, Some(soft)) => format!(
            "no hardware GPU was found{under}, only the software adapter {}; name it with --adapter to use it, or use --device cpu, which is faster",
            soft.name
        ),
        (None, None) => {
            format!("no GPU was found{under}; install its Vulkan, Metal or DirectX 12 driver, or use --device cpu")
        }
    })
}

async fn enumerate(backend: Option<Backend>) -> Vec<wgpu::Adapter> {
    let any = wgpu::Backends::VULKAN | wgpu::Backends::METAL | wgpu::Backends::DX12 | wgpu::Backends::BROWSER_WEBGPU;
    let backends = backend.map_or(any, Backend::flag);
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = backends;
    let instance = wgpu::Instance::new(descriptor);
    let mut adapters = instance.enumerate_adapters(backends).await;
    // The sort is stable, so that among equals the driver's own order stands.
    adapters.sort_by_key(|adapter| match adapter.get_info().device_type {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu | wgpu::DeviceType::Other => 2,
        wgpu::DeviceType::Cpu => 3,
    });
    // Without compute shaders (OpenGL ES 3.0) an adapter is of no use here.
    adapters
        .retain(|adapter| adapter.get_downlevel_capabilities().flags.contains(wgpu::DownlevelFlags::COMPUTE_SHADERS));
    adapters
}
