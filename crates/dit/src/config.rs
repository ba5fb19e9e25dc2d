//! The sizes of a diffusion transformer.

use autograd::ParameterSpec;
use serde::{Deserialize, Serialize};

/// What a model is, besides its parameters. Stored with the weights, in their metadata.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Image side S, in pixels.
    pub side: usize,
    /// Channels C: 1 for grey, 3 for colour.
    pub channels: usize,
    /// Patch side p; divides the image side.
    pub patch: usize,
    /// Width D; a multiple of 4, and of the heads.
    pub width: usize,
    /// Blocks.
    pub depth: usize,
    /// Heads H; each has D / H columns, a multiple of 4.
    pub heads: usize,
    /// Classes; the null class of guidance has this index.
    pub classes: usize,
    /// What t in [0, 1] is multiplied with before its sines and cosines are taken. SiT has 1;
    /// 1000 spreads the frequencies as diffusion models do, and trains faster.
    pub time_scale: f32,
}

/// A configuration that is no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no diffusion transformer: {0}")]
pub struct ConfigError(String);

/// Sines and cosines of the time.
pub(crate) const TIME_FEATURES: usize = 256;
/// The hidden width of a block's MLP is this many D.
pub(crate) const MLP_RATIO: usize = 4;
/// More than any image model has: sizes read from a file are not to overflow, nor to allocate the
/// machine's memory.
const MOST: usize = 1 << 16;
/// Likewise for the elements of an image, and of its tokens.
const MOST_ELEMENTS: usize = 1 << 26;

impl Config {
    /// Checks that the sizes fit together.
    ///
    /// # Errors
    /// [`ConfigError`] names the sizes that do not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Config { side, channels, patch, width, depth, heads, classes, time_scale } = *self;
        let sizes = [
            ("side", side),
            ("channels", channels),
            ("patch", patch),
            ("width", width),
            ("depth", depth),
            ("heads", heads),
            ("classes", classes),
        ];
        for (name, size) in sizes {
            if size == 0 || size > MOST {
                return Err(ConfigError(format!("{name} is {size}, not within 1 to {MOST}")));
            }
        }
        if !side.is_multiple_of(patch) {
            return Err(ConfigError(format!("a side of {side} is no multiple of the patch, {patch}")));
        }
        if !width.is_multiple_of(heads * 4) {
            return Err(ConfigError(format!("a width of {width} is no multiple of 4 times the heads, {heads}")));
        }
        if self.image_size() > MOST_ELEMENTS || self.tokens() * width > MOST_ELEMENTS {
            return Err(ConfigError(format!(
                "an image of {side}×{side}, or its tokens, would have over {MOST_ELEMENTS} elements"
            )));
        }
        if self.tokens() > kernels::MAX_TOKENS {
            let most = kernels::MAX_TOKENS;
            return Err(ConfigError(format!(
                "{} tokens are more than the {most} that attention takes; use a larger patch",
                self.tokens()
            )));
        }
        if !(time_scale.is_finite() && time_scale > 0.0) {
            return Err(ConfigError(format!("a time scale of {time_scale} is not positive")));
        }
        Ok(())
    }

    /// Tokens T of an image.
    pub fn tokens(&self) -> usize {
        (self.side / self.patch).pow(2)
    }

    /// Elements of an image, C · S · S.
    pub fn image_size(&self) -> usize {
        self.channels * self.side * self.side
    }

    /// Elements of a patch, C · p · p.
    pub fn patch_size(&self) -> usize {
        self.channels * self.patch * self.patch
    }

    /// Names and shapes of all parameters, in the order of their arena.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        let d = self.width;
        let mut specs = Vec::new();
        let mut add =
            |name: &str, shape: &[usize]| specs.push(ParameterSpec { name: name.to_owned(), shape: shape.to_vec() });
        let mut linear = |name: &str, weight: &[usize]| {
            add(&format!("{name}.weight"), weight);
            add(&format!("{name}.bias"), &weight[..1]);
        };
        linear("x_embedder.proj", &[d, self.channels, self.patch, self.patch]);
        linear("t_embedder.mlp.0", &[d, TIME_FEATURES]);
        linear("t_embedder.mlp.2", &[d, d]);
        for block in 0..self.depth {
            linear(&format!("blocks.{block}.attn.qkv"), &[3 * d, d]);
            linear(&format!("blocks.{block}.attn.proj"), &[d, d]);
            linear(&format!("blocks.{block}.mlp.fc1"), &[MLP_RATIO * d, d]);
            linear(&format!("blocks.{block}.mlp.fc2"), &[d, MLP_RATIO * d]);
            linear(&format!("blocks.{block}.adaLN_modulation.1"), &[6 * d, d]);
        }
        linear("final_layer.linear", &[self.patch_size(), d]);
        linear("final_layer.adaLN_modulation.1", &[2 * d, d]);
        add("y_embedder.embedding_table.weight", &[self.classes + 1, d]);
        specs
    }
}
