//! Weights under the names of other libraries: those of DiT's and SiT's own classes, which are ours too,
//! and those of diffusers' `DiTTransformer2DModel` (docs/interchange.md).

mod diffusers;
mod error;
mod export;
mod import;
mod names;
mod sigma;
mod sizes;
mod tensors;

use std::fmt;

use kernels::FlowPath;

use crate::Weights;

pub use error::InterchangeError;

/// Whose names the tensors of a file have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Those of facebookresearch's DiT and of SiT, which are also this project's.
    Dit,
    /// Those of diffusers' `DiTTransformer2DModel`.
    Diffusers,
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dit => "the names of DiT and SiT",
            Self::Diffusers => "the names of diffusers",
        })
    }
}

/// How weights are laid out in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The names of the tensors, and with them whose class they are for.
    pub names: Names,
    /// Whether the last Linear has 2C channels, of which the second C are a variance (DiT's `learn_sigma`).
    /// This project's network has none: they are dropped at reading, and written as zeros.
    pub learn_sigma: bool,
}

impl Layout {
    /// This project's own.
    pub const OWN: Self = Self { names: Names::Dit, learn_sigma: false };
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.names, if self.learn_sigma { ", with learn_sigma" } else { "" })
    }
}

/// What a file of another library may leave unsaid. What it does say must not be contradicted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unsaid<'a> {
    /// Whose names the tensors have; otherwise they show it.
    pub names: Option<Names>,
    /// The text of the `config.json` that diffusers writes beside its weights.
    pub config_json: Option<&'a str>,
    /// Heads H.
    pub heads: Option<usize>,
    /// Image side S, in pixels.
    pub side: Option<usize>,
    /// What t in [0, 1] is multiplied with: [`crate::Config::time_scale`].
    pub time_scale: Option<f32>,
    /// The path whose velocities it learned; otherwise the straight one.
    pub path: Option<FlowPath>,
    /// [`crate::Variant::frequency_steps`]; otherwise those of the class that the names are of.
    pub frequency_steps: Option<usize>,
}

/// What was read from a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Imported {
    /// The weights.
    pub weights: Weights,
    /// How the file has them.
    pub layout: Layout,
    /// Sentences on what a user should know.
    pub notes: Vec<String>,
}

/// What is to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Exported {
    /// The bytes of a safetensors file.
    pub tensors: Vec<u8>,
    /// The text of the `config.json` that diffusers wants beside it.
    pub config_json: Option<String>,
    /// Sentences on what a user should know.
    pub notes: Vec<String>,
}
