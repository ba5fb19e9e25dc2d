//! The flags.

use std::path::{Path, PathBuf};

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use programs::{DeviceArgs, FlowArgs, ManualArgs, TraceArgs};

use crate::compare::Comparison;
use crate::grid::Grid;
use crate::interpolate::Interpolation;
use crate::lists::{Digits, Scales};
use crate::prompt::Prompt;
use crate::trajectory::TrajectoryFile;

/// Draws images with a trained diffusion transformer
///
/// Every image begins as noise. The network looks at it and says which way to go towards an image of the
/// digit that was asked for; after --steps small steps that way it is one. Without flags: ten of every
/// digit, with the weights that come with this program, written to samples.png and shown in the terminal
/// where it can show pictures.
#[derive(Clone, Debug, Parser)]
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

    /// Images of each digit [default: 10; with --prompt and --trajectory 1]
    #[arg(long, value_name = "N", value_parser = up_to(10_000))]
    pub count: Option<usize>,

    /// How much to insist on the digit, one scale or several: 1,3,5 draws a panel of each
    ///
    /// The velocity is taken v_null + s (v_class - v_null): 1 is the model as it learned, more makes
    /// images plainer and less varied, 0 forgets the digit. Panels start from the same noise.
    #[arg(long, value_name = "SCALES", default_value_t, allow_negative_numbers = true)]
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

    /// R rows of C images, the digits of --digits in turn: 4x6
    #[arg(long, value_name = "RxC", conflicts_with_all = ["count", "prompt"], help_heading = PLAY)]
    pub grid: Option<Grid>,

    /// Write a number in digits as they are drawn: 2026
    ///
    /// --count asks for several, one under the other.
    #[arg(long, value_name = "NUMBER", conflicts_with = "digits", help_heading = PLAY)]
    pub prompt: Option<Prompt>,

    /// Go from one digit to another, 3..8, or from one seed to another, seeds=1..2, in --count images
    ///
    /// Between two digits the rows of the network's table of labels are mixed, so that it is asked for
    /// something in between; every row of the picture, of which there are 4, begins as a noise of its own.
    /// Between two seeds the noises are mixed, along the great circle through both, so that they stay as
    /// noisy as noise is; a row for each of --digits. --grid asks for other numbers of rows and images.
    #[arg(long, value_name = "FROM..TO", conflicts_with_all = ["prompt", "save_tensor"], help_heading = PLAY)]
    pub interpolate: Option<Interpolation>,

    /// A labelled panel for each of several values of a flag: steps=5,10,50 or solver=euler,heun
    ///
    /// All from the same noise, unless it is the seed that is compared. The flags: guidance, solver, steps,
    /// time-shift, guidance-interval, guidance-rescale, cfg-zero-star, sde, rtol, seed.
    #[arg(long, value_name = "FLAG=LIST", help_heading = PLAY)]
    pub compare: Option<Comparison>,

    /// Draw the way from noise to image in place of the image: an animation, or a strip of moments
    ///
    /// Each moment shows x, the image as it is, and the end that is predicted from there: where x would get to if
    /// it went straight on, which is what the network takes it for by then. Up to 100 images.
    #[arg(long, value_name = "FILE.gif|FILE.png", conflicts_with_all = ["out", "save_tensor", "folder", "compare"], help_heading = PLAY)]
    pub trajectory: Option<TrajectoryFile>,

    /// Draw as a picture of this program was drawn; flags beside it win: --like a.png --seed 5
    ///
    /// All that shapes a picture is in its file, besides the weights, of which only the SHA-256 is: weights
    /// other than the built-in ones have to be given again. The same flags give the same file, byte for byte,
    /// on the same kind of device; on another kind of device pixels may be off by 1 of 255.
    #[arg(long, value_name = "FILE.png", help_heading = PLAY)]
    pub like: Option<PathBuf>,

    /// Where the picture goes; a file there is replaced
    ///
    /// With --interpolate the name may end in .gif: an animation from one end to the other, and back.
    #[arg(long, value_name = "FILE.png", default_value = "samples.png", help_heading = "Output")]
    pub out: PathBuf,

    /// Also write the numbers, as safetensors: `images` (N, C, S, S) in [-1, 1] and `labels` (N)
    ///
    /// With several panels, as of guidance scales, the images of each follow those of the one before, and
    /// `panel` (N), from 0, and `guidance` (N) tell which is which. `images` and `guidance` are f32, `labels`
    /// and `panel` i64.
    #[arg(long, value_name = "FILE.safetensors", help_heading = "Output")]
    pub save_tensor: Option<PathBuf>,

    /// Also write every image into a new folder, as DIR/DIGIT/NUMBER.png, pixel for pixel
    ///
    /// Several panels have a folder each. With --interpolate it is DIR/ROW/NUMBER.png.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    pub folder: Option<PathBuf>,

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

/// The heading of the flags that make other pictures than a sheet of rows.
const PLAY: &str = "Other pictures";

const EXAMPLES: &str = "\
Examples:
  sampler
          ten of every digit, to samples.png
  sampler --digits 3,1,4 --count 1 --seed 7 --out pi.png
          three digits side by side with nothing else
  sampler --guidance 1,3,5 --count 5
          the same noise under three strengths of guidance
  sampler --prompt 2026 --trajectory 2026.gif --scale 4
          a number that comes out of noise
  sampler --interpolate 3..8
          from threes to eights
  sampler --digits 2-5 --count 4 --compare steps=2,5,50
          what fewer steps cost
  sampler --like samples.png --seed 5 --out other.png
          as samples.png was drawn, from other noise
  sampler --weights runs/mine/weights.safetensors --count 100 --save-tensor images.safetensors
          a thousand images of your own model, to be judged by another program

With cargo, flags come after two dashes: cargo run -p sampler -- --digits 3,1,4";

impl Args {
    /// The files that the flags name, each with its flag.
    fn files(&self) -> [(&'static str, Option<&Path>); 6] {
        let out = self.trajectory.is_none().then_some(self.out.as_path());
        [
            ("--weights", self.weights.as_deref()),
            ("--like", self.like.as_deref()),
            ("--out", out),
            ("--trajectory", self.trajectory.as_ref().map(TrajectoryFile::path)),
            ("--save-tensor", self.save_tensor.as_deref()),
            ("--trace", self.trace.path()),
        ]
    }

    /// No file may be written over another of the same run.
    ///
    /// # Errors
    /// A sentence for the user.
    pub fn check_paths(&self) -> Result<(), String> {
        let files = self.files();
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

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn files_of_a_run_differ() {
        let check = |flags: &[&str]| Args::try_parse_from([&["sampler"], flags].concat()).unwrap().check_paths();
        let complaint = check(&["--out", "a", "--save-tensor", "a"]).unwrap_err();
        assert_eq!(complaint, "--out and --save-tensor are the same file, a; choose another for one of them");
        assert!(check(&["--out", "Cargo.toml", "--weights", "./Cargo.toml"]).is_err());
        assert!(check(&["--out", "a", "--save-tensor", "b"]).is_ok());
        assert!(check(&["--like", "samples.png"]).is_err(), "the picture would be drawn over");
        assert!(check(&["--like", "samples.png", "--trajectory", "a.gif"]).is_ok());
        assert!(check(&["--like", "a.png", "--trajectory", "a.png"]).is_err());
    }
}
