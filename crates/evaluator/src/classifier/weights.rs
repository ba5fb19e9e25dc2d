//! The classifier's sizes, and its weights in files.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use autograd::ParameterSpec;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde::{Deserialize, Serialize};

/// What a classifier is, besides its parameters: grey images only. Stored in the metadata entry `config`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Image side S, in pixels.
    pub side: usize,
    /// Patch side p; divides the image side.
    pub patch: usize,
    /// Width D, that of the features.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads; each has D / H columns, a multiple of 4.
    pub heads: usize,
    /// Classes.
    pub classes: usize,
}

impl Config {
    /// The classifier of MNIST.
    pub const MNIST: Self = Self { side: 28, patch: 4, width: 64, depth: 3, heads: 4, classes: 10 };

    /// Tokens of an image.
    pub fn tokens(&self) -> usize {
        (self.side / self.patch).pow(2)
    }

    /// Pixels of an image.
    pub fn image_size(&self) -> usize {
        self.side * self.side
    }

    /// Names and shapes of all parameters, in the order of their arena; names as in timm's ViT.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let (d, p) = (self.width, self.patch);
        let mut specs = Vec::new();
        let mut linear = |name: String, weight: &[usize]| {
            specs.push(ParameterSpec { name: format!("{name}.weight"), shape: weight.to_vec() });
            specs.push(ParameterSpec { name: format!("{name}.bias"), shape: weight[..1].to_vec() });
        };
        linear("patch_embed.proj".into(), &[d, 1, p, p]);
        for block in 0..self.depth {
            linear(format!("blocks.{block}.attn.qkv"), &[3 * d, d]);
            linear(format!("blocks.{block}.attn.proj"), &[d, d]);
            linear(format!("blocks.{block}.mlp.fc1"), &[4 * d, d]);
            linear(format!("blocks.{block}.mlp.fc2"), &[d, 4 * d]);
        }
        linear("head".into(), &[self.classes, d]);
        specs
    }

    /// Xavier-uniform weights and zero biases, by seed.
    pub fn initial_values(&self, seed: u64) -> Vec<Vec<f32>> {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut values = |spec: &ParameterSpec| {
            let (fan_out, fan_in) = (spec.shape[0], spec.len() / spec.shape[0]);
            let bound = (6.0 / (fan_in + fan_out) as f32).sqrt();
            let draw = |_| if spec.shape.len() == 1 { 0.0 } else { random.random_range(-bound..bound) };
            (0..spec.len()).map(draw).collect()
        };
        self.parameters().iter().map(&mut values).collect()
    }
}

/// A classifier on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    /// The sizes.
    pub config: Config,
    /// The elements of each of [`Config::parameters`], in order.
    pub values: Vec<Vec<f32>>,
}

/// Embedded, so that the program works from anywhere and alone.
const BUILT_IN: &[u8] = include_bytes!("../../../../weights/classifier.safetensors");
const CONFIG: &str = "config";

impl Weights {
    /// The classifier that comes with the program.
    ///
    /// # Errors
    /// Only when the program was built from a damaged file.
    pub fn built_in() -> Result<Self> {
        Self::from_bytes(BUILT_IN).context("the built-in classifier is damaged; build the program again")
    }

    /// A classifier from the bytes of a file.
    ///
    /// # Errors
    /// Where they are no safetensors file, or not one of a classifier of MNIST's sizes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let tensors = SafeTensors::deserialize(bytes)?;
        let config = metadata.metadata().as_ref().and_then(|entries| entries.get(CONFIG));
        let config: Config = serde_json::from_str(config.context("the metadata has no entry `config`")?)?;
        ensure!(config == Config::MNIST, "{config:?} is not {:?}", Config::MNIST);
        let read = |spec: &ParameterSpec| dit::read_tensor(&tensors, &spec.name, &spec.shape);
        let values = config.parameters().iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { config, values })
    }

    /// The bytes of a file that holds these weights, the same for the same weights.
    ///
    /// # Errors
    /// Where the tensors cannot be laid out.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let specs = self.config.parameters();
        let tensors = specs.iter().zip(&self.values).map(|(spec, values)| {
            let view = TensorView::new(Dtype::F32, spec.shape.clone(), bytemuck::cast_slice(values))?;
            Ok((spec.name.as_str(), view))
        });
        let tensors = tensors.collect::<Result<Vec<_>>>()?;
        let entries = HashMap::from([(CONFIG.to_owned(), serde_json::to_string(&self.config)?)]);
        Ok(safetensors::serialize(tensors, Some(entries))?)
    }
}
