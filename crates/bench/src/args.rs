//! The command line.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use dit::Config;
use programs::{DeviceArgs, Preset, check_writable};

const EXAMPLES: &str = "\
Examples:
  bench step
          the training step of the preset that suits the device, and where its time goes
  bench kernels --preset base --batch 32 --adapter llvmpipe
          every kernel of a larger model on a software adapter
  bench roofline --runs 9 --json roofline.json
          what the device can do at all, and each kernel as a share of that; all samples into a file
  bench sample --count 100 --steps 50 --guidance 3
          a hundred digits

Figures mean something in a release build, on a machine that does nothing else:
  cargo run --release -p bench -- step";

/// Measures this project on this machine
///
/// Times are medians of several runs after warm-up. Kernels are timed by the device's own clock on a GPU
/// (timestamp queries) and by the host's on the CPU; steps and samples by the host's clock, waiting for the
/// device. GFLOP/s and GB/s come from the arithmetic that src/work.rs states for each kernel.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Arguments {
    /// What to measure.
    #[command(subcommand)]
    pub mode: Mode,
}

/// What to measure.
#[derive(Debug, Subcommand)]
pub enum Mode {
    /// Every kernel at the shapes of a training step and of sampling
    Kernels(ModelArgs),
    /// The training step: time, memory, allocations, and each kernel's share
    Step(ModelArgs),
    /// Drawing digits with guidance
    Sample(SampleArgs),
    /// What a launch, a submission and a read cost by themselves
    Overhead(Common),
    /// The device's peak rate and bandwidth, and each kernel as a share of the bound that limits it
    Roofline(ModelArgs),
    /// The cost of an image by batch and by depth, and of models of the sizes DiT-S/2 and DiT-B/4
    Scale(ScaleArgs),
}

/// What every mode takes.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// Measurements of each thing, after warm-up
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=1000))]
    runs: u16,

    /// Also write every sample and the machine to this file, which is replaced
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Measure the least that can be, once, to see that all works; the figures mean nothing
    #[arg(long)]
    pub quick: bool,

    /// Where the kernels run.
    #[command(flatten)]
    pub device: DeviceArgs,
}

impl Common {
    /// Measurements of each thing.
    pub fn runs(&self) -> usize {
        if self.quick { 1 } else { usize::from(self.runs) }
    }

    /// Refuses what could not be written at the end.
    pub fn check(&self) -> Result<()> {
        Ok(self.json.as_ref().map_or(Ok(()), check_writable)?)
    }
}

/// A model and its batch.
#[derive(Clone, Debug, Args)]
pub struct ModelArgs {
    /// The trainer's preset, with MNIST's images; `base` on a GPU that is not part of a processor, else `small`, if not given
    #[arg(long, value_enum)]
    preset: Option<Preset>,

    /// Images a step [default: the preset's]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    batch: Option<u16>,

    /// What every mode takes.
    #[command(flatten)]
    pub common: Common,
}

impl ModelArgs {
    /// The preset's model on MNIST, and the batch.
    pub fn model(&self, large_gpu: bool) -> (Config, usize) {
        let quick = self.common.quick.then_some((Preset::Tiny, 2));
        let preset = self.preset.or(quick.map(|(preset, _)| preset)).unwrap_or(Preset::for_device(large_gpu));
        let batch = self.batch.map(usize::from).or(quick.map(|(_, batch)| batch));
        (preset.config(28, 1, 10), batch.unwrap_or(preset.defaults().batch))
    }
}

/// What to draw.
#[derive(Clone, Debug, Args)]
pub struct SampleArgs {
    /// Images
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: u32,

    /// Steps of Euler's method from noise to image
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub steps: u32,

    /// The guidance scale; 1 is none, and half the work
    #[arg(long, value_name = "SCALE", default_value_t = 3.0, allow_negative_numbers = true)]
    pub guidance: f32,

    /// The model; its batch is how many images are drawn at once.
    #[command(flatten)]
    pub model: ModelArgs,
}

/// How far to go.
#[derive(Clone, Debug, Args)]
pub struct ScaleArgs {
    /// Batches, for the model of the preset
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [1, 4, 16, 64, 256, 1024], value_parser = clap::value_parser!(u16).range(1..))]
    pub batches: Vec<u16>,

    /// Depths, for the model of the preset at its batch
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_values_t = [2, 4, 8, 16, 24], value_parser = clap::value_parser!(u16).range(1..=100))]
    pub depths: Vec<u16>,

    /// Images a step of the models of the sizes DiT-S/2 and DiT-B/4 (32×32×4); 0 leaves them out
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub large: u16,

    /// Leave out what would take longer than this, by what came before
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub budget: u32,

    /// The model.
    #[command(flatten)]
    pub model: ModelArgs,
}

impl Mode {
    /// The mode's name, and what it shares with the others.
    pub fn common(&self) -> (&'static str, &Common) {
        match self {
            Self::Kernels(args) => ("kernels", &args.common),
            Self::Step(args) => ("step", &args.common),
            Self::Sample(args) => ("sample", &args.model.common),
            Self::Overhead(args) => ("overhead", args),
            Self::Roofline(args) => ("roofline", &args.common),
            Self::Scale(args) => ("scale", &args.model.common),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent_and_scales_may_be_negative() {
        Arguments::command().debug_assert();
        assert!(Arguments::try_parse_from(["bench", "sample", "--guidance", "-1.5"]).is_ok());
    }
}
