//! Weights in files: safetensors under the field's names, the configuration in the metadata.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::{Config, ConfigError, positions};

/// A model's configuration and the elements of its parameters, on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The sizes.
    pub config: Config,
    /// The elements of each of [`Config::parameters`], in order.
    pub values: Vec<Vec<f32>>,
    /// (T, D): the position embedding.
    pub positions: Vec<f32>,
}

/// Why a file of weights could not be used.
#[derive(Debug, thiserror::Error)]
pub enum WeightsError {
    /// The file could not be read.
    #[error("cannot read the weights {path}: {reason}")]
    Read {
        /// The path as given.
        path: String,
        /// What the operating system said.
        reason: String,
    },
    /// The file could not be written.
    #[error("cannot write the weights {path}: {reason}")]
    Write {
        /// The path as given.
        path: String,
        /// What the operating system said.
        reason: String,
    },
    /// No safetensors file, or not all of one.
    #[error("{name} is no complete safetensors file ({reason}); download or train it again")]
    Format {
        /// The file.
        name: String,
        /// What the parser said.
        reason: String,
    },
    /// A file that PyTorch's `torch.save` wrote.
    #[error(
        "{name} is a pickle of PyTorch's, which may hold any program and is not read here; make safetensors of it in \
         Python: state = torch.load(\"{name}\", map_location=\"cpu\"); safetensors.torch.save_file({{k: v.contiguous() \
         for k, v in state.items()}}, \"model.safetensors\") (of a training checkpoint take state[\"ema\"])"
    )]
    Pickle {
        /// The file.
        name: String,
    },
    /// The metadata does not say what model this is.
    #[error(
        "{name} does not say what model it holds ({reason}); weights of this project have their configuration in the \
         metadata entry `config`, and the program `convert` gives it to those of DiT, SiT and diffusers"
    )]
    Metadata {
        /// The file.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The configuration is no model.
    #[error("{name}: {error}")]
    Config {
        /// The file.
        name: String,
        /// What is wrong.
        error: ConfigError,
    },
    /// A tensor is missing or does not fit the configuration.
    #[error("{name} does not fit its own configuration: {error}")]
    Tensor {
        /// The file.
        name: String,
        /// Which tensor, and what was expected.
        error: TensorError,
    },
}

/// A tensor that is not what its file should hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TensorError(pub(crate) String);

/// The metadata entry that holds the configuration, and the tensor of positions.
const CONFIG: &str = "config";
const POSITIONS: &str = "pos_embed";

impl Weights {
    /// Weights from a file.
    ///
    /// # Errors
    /// [`WeightsError`], each with the file's name.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, WeightsError> {
        let name = path.as_ref().display().to_string();
        let bytes = std::fs::read(path)
            .map_err(|error| WeightsError::Read { path: name.clone(), reason: error.to_string() })?;
        Self::from_bytes(&bytes, &name)
    }

    /// Writes these weights to a file, which [`Weights::load`] and the programs read.
    ///
    /// # Errors
    /// [`WeightsError::Write`], and as [`Weights::to_bytes`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), WeightsError> {
        let (bytes, name) = (self.to_bytes()?, path.as_ref().display().to_string());
        std::fs::write(path, bytes).map_err(|error| WeightsError::Write { path: name, reason: error.to_string() })
    }

    /// Weights from the bytes of a file; `name` is for error messages.
    ///
    /// # Errors
    /// As [`Weights::load`].
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, WeightsError> {
        let (config, tensors) = open(bytes, name)?;
        let config = config
            .ok_or_else(|| WeightsError::Metadata { name: name.into(), reason: "the entry is missing".into() })?;
        let tensor = |error| WeightsError::Tensor { name: name.into(), error };
        let values = config
            .parameters()
            .iter()
            .map(|spec| read_tensor(&tensors, &spec.name, &spec.shape))
            .collect::<Result<_, _>>()
            .map_err(tensor)?;
        let shape = [1, config.tokens(), config.width];
        let positions = if tensors.names().contains(&POSITIONS) {
            read_tensor(&tensors, POSITIONS, &shape).map_err(tensor)?
        } else {
            positions::sine_cosine(config.side / config.patch, config.width)
        };
        Ok(Self { config, values, positions })
    }

    /// The bytes of a file that holds these weights, the same for the same weights.
    ///
    /// # Errors
    /// [`WeightsError::Format`] where the tensors cannot be laid out.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        let parameters = self.config.parameters();
        let positions = [1, self.config.tokens(), self.config.width];
        let tensors = parameters
            .iter()
            .zip(&self.values)
            .map(|(spec, values)| (spec.name.as_str(), spec.shape.as_slice(), values.as_slice()))
            .chain([(POSITIONS, positions.as_slice(), self.positions.as_slice())]);
        serialize(&self.config, tensors)
    }
}

/// What `torch.save` writes begins as a zip archive, or in old files as a pickle.
const PICKLES: [&[u8]; 2] = [b"PK\x03\x04", b"\x80\x02"];

/// The configuration in a file's metadata, if there is one, and its tensors.
pub(crate) fn open<'a>(bytes: &'a [u8], name: &str) -> Result<(Option<Config>, SafeTensors<'a>), WeightsError> {
    if PICKLES.iter().any(|start| bytes.starts_with(start)) {
        return Err(WeightsError::Pickle { name: name.into() });
    }
    let format =
        |error: safetensors::SafeTensorError| WeightsError::Format { name: name.into(), reason: error.to_string() };
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(format)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(format)?;
    let text = metadata.metadata().as_ref().and_then(|entries| entries.get(CONFIG));
    Ok((text.map(|text| read_config(text, name)).transpose()?, tensors))
}

fn read_config(text: &str, name: &str) -> Result<Config, WeightsError> {
    let config: Config = serde_json::from_str(text)
        .map_err(|error| WeightsError::Metadata { name: name.into(), reason: error.to_string() })?;
    config.validate().map_err(|error| WeightsError::Config { name: name.into(), error })?;
    Ok(config)
}

/// The bytes of a file of tensors, with the configuration in its metadata.
pub(crate) fn serialize<'a>(
    config: &Config,
    tensors: impl Iterator<Item = (&'a str, &'a [usize], &'a [f32])>,
) -> Result<Vec<u8>, WeightsError> {
    let format = |reason: String| WeightsError::Format { name: "the weights".into(), reason };
    let views = tensors
        .map(|(name, shape, values)| {
            Ok((name, TensorView::new(Dtype::F32, shape.to_vec(), bytemuck::cast_slice(values))?))
        })
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|error| format(error.to_string()))?;
    let config = serde_json::to_string(config).map_err(|error| format(error.to_string()))?;
    let entries = HashMap::from([(CONFIG.to_owned(), config)]);
    safetensors::serialize(views, Some(entries)).map_err(|error| format(error.to_string()))
}

/// The elements of a tensor of a safetensors file.
///
/// # Errors
/// [`TensorError`] where it is missing, of another type or shape than f32 and `shape`, or not finite.
pub fn read_tensor(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, TensorError> {
    let view = tensors.tensor(name).map_err(|_| TensorError(format!("`{name}` is missing")))?;
    if view.dtype() != Dtype::F32 || view.shape() != shape {
        let (dtype, found) = (view.dtype(), view.shape());
        return Err(TensorError(format!("`{name}` is {dtype:?} {found:?}, expected F32 {shape:?}")));
    }
    finite(name, bytemuck::pod_collect_to_vec(view.data()))
}

/// The elements, if they are numbers.
pub(crate) fn finite(name: &str, values: Vec<f32>) -> Result<Vec<f32>, TensorError> {
    match values.iter().position(|value| !value.is_finite()) {
        Some(index) => Err(TensorError(format!("`{name}` has {} at element {index}", values[index]))),
        None => Ok(values),
    }
}
