//! The flags.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use programs::{DeviceArgs, FlowArgs, GUIDANCE};

/// Measures what a trained model's digits are worth
///
/// It draws digits with the weights, or reads them from a file, and compares them with MNIST: does a classifier
/// take them for what was asked for, are they as good and as varied as real ones, are they copies of training
/// digits, is their background black. Beside each figure stands what real digits get: no figure means anything
/// without it, nor beside one of another evaluator. docs/evaluation.md says how each is computed.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Arguments {
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<Command>,

    /// What to evaluate.
    #[command(flatten)]
    pub evaluate: Evaluate,
}

const EXAMPLES: &str = "\
Examples:
  evaluator --weights weights/mnist.safetensors
          a hundred of each digit, and the table
  evaluator --weights runs/mine/weights.safetensors --guidance 2 --json mine.json
          your own model, the figures into a file too
  evaluator --samples images.safetensors
          digits that were drawn before: sampler --count 100 --save-tensor images.safetensors
  evaluator sweep --weights weights/mnist.safetensors --over guidance --values 1,2,3,5 --out guidance.png
          how quality goes with guidance: a picture, and guidance.json beside it

Use a release build: cargo run --release -p evaluator -- --weights weights/mnist.safetensors";

impl Arguments {
    /// Where the kernels run, whatever is to be done.
    pub fn device(&self) -> &DeviceArgs {
        match &self.command {
            Some(Command::Sweep(args)) => &args.device,
            Some(Command::Velocity(args)) => &args.device,
            Some(Command::TrainClassifier(args)) => &args.device,
            None => &self.evaluate.device,
        }
    }
}

/// Everything besides evaluating once.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Evaluate for several values of one setting, and draw curves
    Sweep(Sweep),
    /// The velocities of a model at given points: to compare with the same weights elsewhere
    Velocity(Velocity),
    /// Train the classifier whose features sets of digits are compared in
    TrainClassifier(TrainClassifier),
}

/// What to evaluate.
#[derive(Debug, Args)]
pub struct Evaluate {
    /// The weights to draw with
    #[arg(long, value_name = "FILE", required_unless_present_any = ["samples", "list_devices"], conflicts_with = "samples")]
    pub weights: Option<PathBuf>,

    /// Digits to evaluate in place of weights: `images` (N, 1, 28, 28), f32 in [-1, 1], and `labels` (N), i64
    #[arg(long, value_name = "FILE")]
    pub samples: Option<PathBuf>,

    /// How to draw.
    #[command(flatten)]
    pub drawing: Drawing,

    /// Also write every figure to this file, which is replaced
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Where the kernels run.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// How to draw.
#[derive(Clone, Debug, Args)]
pub struct Drawing {
    /// Images of each digit
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=800))]
    pub count: u16,

    /// The guidance scale s of v_null + s (v_class - v_null); 1 is none
    #[arg(long, value_name = "SCALE", default_value_t = GUIDANCE, allow_negative_numbers = true, value_parser = finite)]
    pub guidance: f32,

    /// The way from noise to image.
    #[command(flatten)]
    pub flow: FlowArgs,

    /// Where the noise begins
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// What to sweep over.
#[derive(Debug, Args)]
pub struct Sweep {
    /// The weights to draw with
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,

    /// The setting that goes through values; the others are as given
    #[arg(long, value_enum, default_value = "guidance")]
    pub over: Setting,

    /// The values [default: 1,1.5,2,3,4,6 for guidance, 5,10,20,50 for steps, all solvers]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub values: Vec<String>,

    /// The picture, which is replaced; the figures go beside it with .json at the end
    #[arg(long, value_name = "FILE.png", default_value = "sweep.png")]
    pub out: PathBuf,

    /// How to draw.
    #[command(flatten)]
    pub drawing: Drawing,

    /// Where the kernels run.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// A setting to sweep over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Setting {
    /// The guidance scale
    Guidance,
    /// The number of steps
    Steps,
    /// The solver
    Solver,
}

/// What velocities are computed from.
#[derive(Debug, Args)]
pub struct Velocity {
    /// The weights
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,

    /// Safetensors with `x` (N, C, S, S) and `t` (N), f32, and `y` (N), i64; the null class is the number of classes
    #[arg(long, value_name = "FILE")]
    pub inputs: PathBuf,

    /// Gets `v` (N, C, S, S), f32; a file there is replaced
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,

    /// Where the kernels run.
    #[command(flatten)]
    pub device: DeviceArgs,
}

/// How the classifier is trained.
#[derive(Debug, Args)]
pub struct TrainClassifier {
    /// Where the classifier goes; a file there is replaced
    #[arg(long, value_name = "FILE", default_value = "classifier.safetensors")]
    pub out: PathBuf,

    /// Passes over the training digits
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub epochs: u16,

    /// The seed of initial values, order and shifts
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Where the kernels run.
    #[command(flatten)]
    pub device: DeviceArgs,
}

fn finite(text: &str) -> Result<f32, String> {
    let value = text.parse().ok().filter(|value: &f32| value.is_finite());
    value.ok_or_else(|| format!("`{text}` is no finite number"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Arguments::command().debug_assert();
    }
}
