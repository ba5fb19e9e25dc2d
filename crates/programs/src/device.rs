//! The flags with which every program chooses its device.

use clap::{Args, ValueEnum};
use runtime::{Backend, Device, DeviceChoice, DeviceOptions, Shaders, list_adapters};

use crate::say;

/// Where the kernels run.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Device")]
pub struct DeviceArgs {
    /// A GPU, the CPU, or a hardware GPU where there is one and else the CPU
    #[arg(long, value_enum, default_value = "auto")]
    device: Choice,

    /// Only adapters under this interface: vulkan, metal, dx12 or gl
    #[arg(long, value_name = "BACKEND")]
    backend: Option<Backend>,

    /// Only adapters with this in their name; the one way to a software adapter such as llvmpipe
    #[arg(long, value_name = "SUBSTRING")]
    adapter: Option<String>,

    /// Ask the adapter for no more than WebGPU's default limits, as if it were a weak one
    #[arg(long)]
    default_limits: bool,

    /// Run shaders on the adapter without wgpu's checks of indices, loops and divisors, which may save time
    #[arg(long)]
    trusted_shaders: bool,

    /// Round what products multiply to 16 bits (half), for speed, or keep all at 32 bits (single)
    ///
    /// On an adapter: of forward products, to f16, on matrix units where it has them (those of 16 × 16 that NVIDIA
    /// and AMD have are programmed for, but have not been tried yet); results differ in their third digit. On the
    /// CPU: of all products but attention's, to bfloat16, where it multiplies that (AVX-512 with BF16, as AMD's have
    /// from Zen 4 on, or Intel's AMX, under Linux); results differ in their second or third digit. All else stays at
    /// 32 bits.
    #[arg(long, value_enum, default_value = "single")]
    precision: Precision,

    /// List the devices that can be used, and exit
    #[arg(long)]
    pub list_devices: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Choice {
    Auto,
    Gpu,
    Cpu,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Precision {
    Single,
    Half,
}

impl DeviceArgs {
    /// Opens the device that was asked for.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub fn open(&self) -> runtime::Result<Device> {
        Device::open(&self.options())
    }

    /// Opens the device that was asked for, able to time kernels where its adapter is.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub fn open_with_timestamps(&self) -> runtime::Result<Device> {
        Device::open(&DeviceOptions { timestamps: true, ..self.options() })
    }

    /// Whether what products multiply is to be rounded to 16 bits.
    pub fn half(&self) -> bool {
        self.precision == Precision::Half
    }

    fn options(&self) -> DeviceOptions {
        DeviceOptions {
            choice: match self.device {
                Choice::Auto => DeviceChoice::Auto,
                Choice::Gpu => DeviceChoice::Gpu,
                Choice::Cpu => DeviceChoice::Cpu,
            },
            backend: self.backend,
            adapter: self.adapter.clone(),
            default_limits: self.default_limits,
            half: self.half(),
            shaders: self.shaders(),
            ..DeviceOptions::default()
        }
    }

    fn shaders(&self) -> Shaders {
        if !self.trusted_shaders {
            return Shaders::default();
        }
        #[allow(unsafe_code)] // measured: docs/architecture.md
        // SAFETY: the programs dispatch the project's own kernels only, which stay within their bindings.
        unsafe {
            Shaders::trusted()
        }
    }

    /// Prints what `--list-devices` lists: every adapter under `--backend`, then the CPU.
    ///
    /// # Errors
    /// As [`Device::open`] for the CPU.
    pub fn print_list(&self) -> runtime::Result<()> {
        for adapter in list_adapters(self.backend) {
            say(format_args!("{adapter}  driver: {}", adapter.driver));
        }
        say(Device::open(&DeviceOptions::cpu())?);
        Ok(())
    }
}
