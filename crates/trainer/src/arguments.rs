//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser};
use datasets::DataArgs;
use dit::Config;
use flow::{FlowPath, TimeSampling};
use programs::{DeviceArgs, ManualArgs, Preset, TraceArgs};

use crate::schedule::Schedule;

/// Train a diffusion transformer by flow matching.
///
/// Without arguments it trains on MNIST, which is built in, with the preset that suits the device:
/// `small` on a CPU and on a GPU that is part of one, `base` on others. Everything about the run goes
/// into one folder: index.html shows the loss and samples over time in a browser, weights.safetensors is
/// for the sampler, config.toml repeats the run, checkpoint.safetensors resumes it, and TensorBoard reads
/// its events.
///
/// The flags under Model, Training, Images and Output, and --precision, are also the keys of a file for --config.
#[derive(Clone, Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  trainer                                   train with the preset that suits the device
  trainer --preset tiny --epochs 1          a first look, in a minute or two
  trainer --steps 300 --sample-every 100    a short run with three sample grids
  trainer --resume runs/2026-01-31-mnist    go on where a run was left
  trainer --preset tiny --print-config > my.toml
  trainer --config my.toml --lr 5e-4        settings from a file, but for one
  trainer --from runs/mine/weights.safetensors --epochs 4 --lr 1e-3
                                            a second run that begins where a first one ended
  trainer --data path/to/fashion-mnist      other IDX files, gzipped or not
  trainer --data photos --image-size 32 --preset colour
                                            a folder with a subfolder of images for each class
  sampler --weights runs/2026-01-31-mnist/weights.safetensors"
)]
pub struct Arguments {
    /// Sizes and defaults that go together; `base` on a GPU that is not part of a processor, else `small`, if not given
    #[arg(long, value_enum, help_heading = "Model")]
    pub preset: Option<Preset>,

    /// What differs from the preset's model.
    #[command(flatten)]
    pub model: ModelArgs,

    /// How to train.
    #[command(flatten)]
    pub training: TrainingArgs,

    /// Which images.
    #[command(flatten)]
    pub data: DataArgs,

    /// How often to write what.
    #[command(flatten)]
    pub output: OutputArgs,

    /// Which run it is.
    #[command(flatten)]
    pub run: RunArgs,

    /// Where the kernels run.
    #[command(flatten)]
    pub device: DeviceArgs,

    /// Whether to trace.
    #[command(flatten)]
    pub trace: TraceArgs,

    /// Whether to print completions or the manual page.
    #[command(flatten)]
    pub manual: ManualArgs,
}

/// How to train.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Training")]
pub struct TrainingArgs {
    /// Begin with these weights in place of random ones: to continue with other settings or other images
    ///
    /// The model has their sizes, and steps are counted anew. A run that is only to be lengthened is resumed.
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// Steps to train
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "epochs")]
    pub steps: Option<u32>,

    /// Passes over the training images
    #[arg(long, value_name = "N", value_parser = positive, allow_negative_numbers = true)]
    pub epochs: Option<f64>,

    /// Images a step
    #[arg(long, value_name = "N", value_parser = size)]
    pub batch: Option<usize>,

    /// The learning rate after warm-up
    #[arg(long, value_name = "RATE", value_parser = positive, allow_negative_numbers = true)]
    pub lr: Option<f64>,

    /// Steps over which the learning rate rises from zero [default: by preset, at most a quarter of all steps]
    #[arg(long, value_name = "STEPS")]
    pub warmup: Option<u32>,

    /// What the learning rate does after warm-up [default: cosine]
    #[arg(long, value_name = "HOW", value_enum)]
    pub schedule: Option<Schedule>,

    /// The decay of the moving average of the weights, which is what samples; within [0, 1)
    #[arg(long, value_name = "DECAY", value_parser = fraction, allow_negative_numbers = true)]
    pub ema: Option<f64>,

    /// The decay of the weights themselves: the share that a step at rate 1 would take away [default: 0]
    #[arg(long, value_name = "DECAY", value_parser = not_negative, allow_negative_numbers = true)]
    pub weight_decay: Option<f32>,

    /// The share of images trained on without their label, which guidance needs; within [0, 1) [default: 0.1]
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub label_dropout: Option<f32>,

    /// The path from noise to image: condot, polynomial:N, vp, linear-vp or cosine [default: condot]
    ///
    /// How much of the noise is left when: condot, the straight path, is the one to begin with. Stored with the weights,
    /// so that they are always drawn with as they were trained.
    #[arg(long, value_name = "PATH")]
    pub path: Option<FlowPath>,

    /// At which times on the way from noise, 0, to image, 1, to train: uniform, or logit-normal:MEAN,STD [default: by preset]
    ///
    /// Logit-normal times gather in the middle, where there is most to learn (arXiv 2403.03206): that paper's are
    /// logit-normal:0,1, and digits came out best with logit-normal:0,1.5. A mean above 0 moves them towards the image, below 0 towards the noise; the paper's
    /// times run the other way.
    #[arg(long, value_name = "HOW")]
    pub time_sampling: Option<TimeSampling>,

    /// The seed of everything random: the same seed on the same device is the same run [default: 0]
    #[arg(long, value_name = "SEED")]
    pub seed: Option<u64>,
}

/// How often to write what.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Steps between checkpoints
    #[arg(long, value_name = "STEPS", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    pub checkpoint_every: u32,

    /// Steps between grids of samples, drawn with the averaged weights; 0 for one at the end only
    #[arg(long, value_name = "STEPS", default_value_t = 500)]
    pub sample_every: u32,

    /// Steps between readings of the loss, which wait for the device
    #[arg(long, value_name = "STEPS", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub log_every: u32,
}

/// Which run it is, and where its settings come from.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Run")]
pub struct RunArgs {
    /// The folder of the run [default: runs/DATE-DATA]
    #[arg(long, value_name = "DIR", conflicts_with = "resume")]
    pub out: Option<PathBuf>,

    /// Go on with the run in this folder; --steps or --epochs lengthen it
    ///
    /// Its settings are those in its checkpoint. Flags, and lines of its config.toml, that would make another run of it
    /// are refused.
    #[arg(long, value_name = "DIR")]
    pub resume: Option<PathBuf>,

    /// Take settings from a TOML file, such as a run's config.toml
    ///
    /// Its keys are the flags under Model, Training, Images and Output, and precision. Flags win over the file.
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,

    /// Print the settings as a file for --config, with what each is, and exit
    #[arg(long)]
    pub print_config: bool,
}

/// Sizes of the model in place of the preset's.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// Pixels along each side of a patch; divides the image's side
    #[arg(long, value_name = "PIXELS", value_parser = size)]
    pub patch: Option<usize>,

    /// Numbers in a token
    #[arg(long, value_name = "D", value_parser = size)]
    pub width: Option<usize>,

    /// Transformer blocks
    #[arg(long, value_name = "N", value_parser = size)]
    pub depth: Option<usize>,

    /// Heads of attention, which share the width
    #[arg(long, value_name = "N", value_parser = size)]
    pub heads: Option<usize>,

    /// What times in [0, 1] are multiplied by before the network is told of them
    #[arg(long, value_name = "SCALE", value_parser = positive, allow_negative_numbers = true)]
    pub time_scale: Option<f64>,
}

impl ModelArgs {
    /// The preset's model with these sizes where they are given.
    pub fn over(self, preset: Config) -> Config {
        Config {
            patch: self.patch.unwrap_or(preset.patch),
            width: self.width.unwrap_or(preset.width),
            depth: self.depth.unwrap_or(preset.depth),
            heads: self.heads.unwrap_or(preset.heads),
            time_scale: self.time_scale.map_or(preset.time_scale, |scale| scale as f32),
            ..preset
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value <= f64::from(f32::MAX) && value > 0.0 => Ok(value),
        _ => Err("give a number above 0".into()),
    }
}

fn fraction(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..1.0).contains(&value) => Ok(value),
        _ => Err("give a number from 0 to below 1".into()),
    }
}

fn share(text: &str) -> Result<f32, String> {
    fraction(text).map(|value| value as f32)
}

fn not_negative(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value),
        _ => Err("give a number of at least 0".into()),
    }
}

fn size(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(value) if (1..=65_536).contains(&value) => Ok(value),
        _ => Err("give a whole number from 1 to 65536".into()),
    }
}
