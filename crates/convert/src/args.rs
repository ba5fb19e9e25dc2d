//! The flags.

use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use dit::{FlowPath, Names};

/// Converts weights between this project, DiT and SiT, and diffusers
///
/// Reads safetensors under the names of any of them, and writes what the others' own classes load. No size is
/// guessed: they come from the shapes and from diffusers' config.json; what these do not tell is asked for; and a
/// file with a tensor too few or too many is refused. docs/interchange.md says which tensor is which.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Args {
    /// The weights: a safetensors file, or the folder in which diffusers saved a model
    #[arg(value_name = "IN")]
    pub input: PathBuf,

    /// Where they go: a file, which is replaced, or for diffusers a folder
    #[arg(value_name = "OUT")]
    pub output: PathBuf,

    /// Whose class is to load them
    #[arg(long, value_name = "WHOSE", value_enum, default_value_t = Whose::Dit)]
    pub to: Whose,

    /// Write the last Linear with twice the channels, the second half zero
    ///
    /// DiT's, SiT's and diffusers' published models have such a variance (learn_sigma=True, out_channels twice
    /// in_channels). The network of this project has none, so at reading it is dropped.
    #[arg(long)]
    pub learn_sigma: bool,

    /// Whose names the tensors of IN have [default: as they show]
    #[arg(long, value_name = "WHOSE", value_enum)]
    pub from: Option<Whose>,

    /// Heads of attention, which no shape shows
    #[arg(long, value_name = "N", value_parser = within(1, MOST), help_heading = "What IN may leave unsaid")]
    pub heads: Option<usize>,

    /// Side of an image, in pixels or latent elements, where IN has no position embedding
    #[arg(long, value_name = "N", value_parser = within(1, MOST), help_heading = "What IN may leave unsaid")]
    pub side: Option<usize>,

    /// What t in [0, 1] is multiplied with: 1 for SiT's weights, 1000 for those of steps up to 1000
    #[arg(long, value_name = "SCALE", value_parser = positive, help_heading = "What IN may leave unsaid")]
    pub time_scale: Option<f32>,

    /// The path whose velocities it learned [default: condot]
    ///
    /// SiT has three: its Linear is condot, its GVP cosine, its VP vp.
    #[arg(long, value_name = "PATH", help_heading = "What IN may leave unsaid")]
    pub path: Option<FlowPath>,

    /// The time's frequencies are 10000^(-i / N): 128 is DiT's and SiT's, 127 diffusers' [default: by names]
    ///
    /// Weights that were trained elsewhere and only saved by diffusers may want 128: those of DiT are such.
    #[arg(long, value_name = "N", value_parser = within(127, 128), help_heading = "What IN may leave unsaid")]
    pub frequency_steps: Option<usize>,
}

const EXAMPLES: &str = "\
Examples:
  convert weights/mnist.safetensors mnist-diffusers --to diffusers
          a folder for DiTTransformer2DModel.from_pretrained
  convert mnist-diffusers back.safetensors
          and back: the same file
  convert weights/mnist.safetensors sit.safetensors --learn-sigma
          for SiT(learn_sigma=True).load_state_dict(..., strict=True)
  convert sit-b.safetensors mine.safetensors --heads 12 --time-scale 1
          SiT's weights for this project's sampler

PyTorch's .pt files are pickles, and not read. Make safetensors of one in Python:
  state = torch.load(\"sit.pt\", map_location=\"cpu\")  # of a training checkpoint: [\"ema\"]
  safetensors.torch.save_file({k: v.contiguous() for k, v in state.items()}, \"sit.safetensors\")

With cargo, flags come after two dashes: cargo run -p convert -- IN OUT --to diffusers";

/// Whose names, and whose class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Whose {
    /// DiT, SiT and this project, which have the same
    #[value(aliases = ["sit", "native"])]
    Dit,
    /// diffusers' DiTTransformer2DModel
    Diffusers,
}

impl From<Whose> for Names {
    fn from(whose: Whose) -> Self {
        match whose {
            Whose::Dit => Self::Dit,
            Whose::Diffusers => Self::Diffusers,
        }
    }
}

/// More heads, and larger images, than any model has.
const MOST: u64 = 1 << 16;

fn within(least: u64, most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=most)
}

fn positive(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(scale) if scale.is_finite() && scale > 0.0 => Ok(scale),
        _ => Err("a number above zero is wanted, such as 1 or 1000".into()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        Args::command().debug_assert();
    }
}
