//! What can be wrong with a file of another library.

use crate::{ConfigError, TensorError, WeightsError};

/// Why weights could not be read from or written in a layout.
#[derive(Debug, thiserror::Error)]
pub enum InterchangeError {
    /// No complete safetensors file, a pickle, or a configuration of ours that is none.
    #[error(transparent)]
    File(#[from] WeightsError),
    /// The names of the tensors are nobody's that is known here.
    #[error(
        "{name} holds no diffusion transformer that is known here: it has neither DiT's nor diffusers' tensors, but {found}"
    )]
    Unknown {
        /// The file.
        name: String,
        /// Some of its tensors.
        found: String,
    },
    /// A tensor is missing or has a shape that does not go with the others.
    #[error("{name} is no diffusion transformer under {names}: {error}")]
    Tensor {
        /// The file.
        name: String,
        /// Whose names it has.
        names: super::Names,
        /// Which tensor, and what was expected.
        error: TensorError,
    },
    /// Tensors that the model has no place for.
    #[error("{name} has tensors that no diffusion transformer under {names} has, so it is another model: {found}")]
    Surplus {
        /// The file.
        name: String,
        /// Whose names it has.
        names: super::Names,
        /// Some of these tensors.
        found: String,
    },
    /// Blocks with embedders of their own.
    #[error(
        "{name}: `{one}` and `{other}` differ; each block may have its own time and label embedder there, but the \
         network here has one for all, so these weights cannot be had"
    )]
    Copies {
        /// The file.
        name: String,
        /// A tensor.
        one: String,
        /// The same of another block.
        other: String,
    },
    /// Something that the shapes do not tell.
    #[error("{name} does not tell {what}; give {hint}")]
    Unsaid {
        /// The file.
        name: String,
        /// What is not known.
        what: &'static str,
        /// How to say it.
        hint: String,
    },
    /// Two that say different things.
    #[error("{name}: {what} would be {one} by {by}, but {other} by {by_other}")]
    Contradiction {
        /// The file.
        name: String,
        /// What is said.
        what: &'static str,
        /// One value, and who says it.
        one: String,
        /// Who says it.
        by: &'static str,
        /// Another value.
        other: String,
        /// Who says that.
        by_other: &'static str,
    },
    /// `config.json` is no configuration of a diffusion transformer that can be had here.
    #[error("{name}: its config.json {reason}")]
    ConfigJson {
        /// The file of weights.
        name: String,
        /// What is wrong with the configuration.
        reason: String,
    },
    /// The sizes are no model.
    #[error("{name}: {error}")]
    Config {
        /// The file.
        name: String,
        /// What is wrong.
        error: ConfigError,
    },
    /// Positions that the layout has no place for.
    #[error(
        "the position embedding of these weights is not the sines and cosines that diffusers' class computes, and its \
         files have no place for another; write them under DiT's names"
    )]
    Positions,
}
