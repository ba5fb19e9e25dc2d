//! The flags.

use std::path::{Path, PathBuf};

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use dit::Config;
use programs::{DeviceArgs, FlowArgs, ManualArgs, TraceArgs};

use crate::lists::{Digits, Scales};
use crate::plan::Plan;

/// Draws images with a trained diffusion transformer
///
/// Every image begins as noise. The network looks at it and says which way to go towards an image of the
/// digit that was asked for; after --steps small steps that way it is one. Without flags: ten of every
/// digit, with the weights that come with this program, written to samples.png and shown in the terminal
/// where it can show pictures.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Args {
    /// Trained weights to draw with, such as those of a run of the trainer [default: built-in, of MNIST]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,

    /// What to draw, a row each: digits and ranges, such as 0-9 or 3,1,4 or 0-2,7 [default: 0-9]
    ///
    /// Digits are the classes of the weights: with weights of Fashion-MNIST 0 is a T-shirt, and weights of
    /// 100 classes go up to 99.
    #[arg(long, value_name = "LIST")]
    pub digits: Option<Digits>,

    /// Images of each digit
    #[arg(long, value_name = "N", default_value = "10", value_parser = up_to(10_000))]
    pub count: usize,

    /// How much to insist on the digit, one scale or several: 1,3,5 draws a panel of each
    ///
    /// The velocity is taken v_null + s (v_class - v_null): 1 is the model as it learned, more makes
    /// images plainer and less varied, 0 forgets the digit. Panels start from the same noise.
    #[arg(long, value_name = "SCALES", default_value = "3", allow_negative_numbers = true)]
    pub guidance: Scales,

    /// The way from noise to image.
    #[command(flatten)]
    pub flow: FlowArgs,

    /// Where the noise begins: the same seed gives the same images
    #[arg(long, value_name = "N", default_value = "0")]
    pub seed: u64,

    /// Images drawn at once [default: by device and model]
    ///
    /// More need more memory; the images are the same.
    #[arg(long, value_name = "N", value_parser = up_to(10_000))]
    pub batch: Option<usize>,

    /// Where the picture goes; a file there is replaced
    #[arg(long, value_name = "FILE.png", default_value = "samples.png", help_heading = "Output")]
    pub out: PathBuf,

    /// Also write the numbers, as safetensors: `images` (N, C, S, S) in [-1, 1] and `labels` (N)
    ///
    /// With several guidance scales the images of each follow those of the one before, and `guidance` (N)
    /// tells which is which. `images` and `guidance` are f32, `labels` i64.
    #[arg(long, value_name = "FILE.safetensors", help_heading = "Output")]
    pub save_tensor: Option<PathBuf>,

    /// Pixels of the picture to a pixel of an image, along each side
    #[arg(long, value_name = "N", default_value = "3", value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Output")]
    pub scale: u32,

    /// Do not show the picture in the terminal
    #[arg(long, help_heading = "Output")]
    pub no_show: bool,

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

const EXAMPLES: &str = "\
Examples:
  sampler
          ten of every digit, to samples.png
  sampler --digits 3,1,4 --count 1 --seed 7 --out pi.png
          three digits side by side with nothing else
  sampler --guidance 1,3,5 --count 5
          the same noise under three strengths of guidance
  sampler --weights runs/mine/weights.safetensors --count 100 --save-tensor images.safetensors
          a thousand images of your own model, to be judged by another program

With cargo, flags come after two dashes: cargo run -p sampler -- --digits 3,1,4";

/// The most images of a run; they are all held in memory.
const MOST_IMAGES: usize = 100_000;

/// The digits that are drawn by default, where the weights have so many.
const DIGITS: usize = 10;

impl Args {
    /// What these flags mean for a model, after a check of what no flag shows by itself.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn plan(&self, config: &Config) -> Result<Plan, String> {
        let digits = match &self.digits {
            Some(digits) => digits.to_vec(),
            None => (0..config.classes.min(DIGITS) as u32).collect(),
        };
        if let Some(wrong) = digits.iter().find(|&&digit| digit as usize >= config.classes) {
            let last = config.classes - 1;
            return Err(format!("--digits: {wrong} is no digit of 0-{last}, the classes of these weights"));
        }
        let plan = Plan { config: *config, digits, count: self.count, guidance: self.guidance.clone() };
        if plan.images() > MOST_IMAGES {
            return Err(format!(
                "{} images are more than {MOST_IMAGES} in one run; lower --count, and draw the rest with another --seed",
                plan.images()
            ));
        }
        self.check_paths()?;
        Ok(plan)
    }

    /// No file may be written over another of the same run.
    fn check_paths(&self) -> Result<(), String> {
        let files = [
            ("--weights", self.weights.as_deref()),
            ("--out", Some(&self.out)),
            ("--save-tensor", self.save_tensor.as_deref()),
            ("--trace", self.trace.path()),
        ];
        for (index, (flag, path)) in files.iter().enumerate() {
            for (other_flag, other) in &files[..index] {
                if let (Some(path), Some(other)) = (path, other)
                    && same_file(path, other)
                {
                    return Err(format!(
                        "{other_flag} and {flag} are the same file, {}; choose another for one of them",
                        path.display()
                    ));
                }
            }
        }
        Ok(())
    }
}

/// A number from 1 to `most`.
fn up_to(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

/// Whether two paths mean one file, as far as can be told before both exist.
fn same_file(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::CommandFactory;
    use dit::FlowPath;

    use super::*;

    const CONFIG: Config = Config {
        side: 28,
        channels: 1,
        patch: 4,
        width: 128,
        depth: 4,
        heads: 4,
        classes: 10,
        time_scale: 1000.0,
        path: FlowPath::CondOt,
        variant: dit::Variant::DIT,
    };

    fn digits(flags: &[&str], classes: usize) -> Result<Vec<u32>, String> {
        let args = Args::try_parse_from([&["sampler"], flags].concat()).unwrap();
        args.plan(&Config { classes, ..CONFIG }).map(|plan| plan.digits)
    }

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn digits_are_classes_of_the_weights() {
        assert_eq!(digits(&["--digits", "3,1"], 10).unwrap(), [3, 1]);
        assert_eq!(digits(&["--digits", "12"], 13).unwrap(), [12]);
        assert_eq!(
            digits(&["--digits", "7,12"], 10).unwrap_err(),
            "--digits: 12 is no digit of 0-9, the classes of these weights"
        );
        assert_eq!(digits(&[], 3).unwrap(), [0, 1, 2]);
        assert_eq!(digits(&[], 1000).unwrap(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn there_is_an_end_to_how_many() {
        assert!(digits(&["--count", "10000"], 10).is_ok());
        let complaint = digits(&["--count", "10000", "--guidance", "1,3"], 10).unwrap_err();
        assert!(complaint.starts_with("200000 images"), "{complaint}");
    }

    #[test]
    fn files_of_a_run_differ() {
        let complaint = digits(&["--out", "a", "--save-tensor", "a"], 10).unwrap_err();
        assert_eq!(complaint, "--out and --save-tensor are the same file, a; choose another for one of them");
        assert!(digits(&["--out", "Cargo.toml", "--weights", "./Cargo.toml"], 10).is_err());
        assert!(digits(&["--out", "a", "--save-tensor", "b"], 10).is_ok());
    }
}
