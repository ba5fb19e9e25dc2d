//! The sizes of a diffusion transformer.

use autograd::ParameterSpec;
use kernels::FlowPath;
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
    /// The path whose velocities it learned. Left out where it is the straight one, as in files from before there
    /// were others.
    #[serde(default, skip_serializing_if = "FlowPath::is_cond_ot")]
    pub path: FlowPath,
    /// In what it differs from DiT's own classes; not stored where it does not.
    #[serde(default, skip_serializing_if = "Variant::is_dit")]
    pub variant: Variant,
}

/// In what models of the same sizes differ: diffusers' class of DiT computes two things of its own.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variant {
    /// Added to the variance in the LayerNorm before a block's MLP: 1e-6 in DiT and SiT, 1e-5 in diffusers
    /// unless its configuration says otherwise. The other LayerNorms have 1e-6 everywhere.
    pub mlp_epsilon: f32,
    /// The time's frequencies are 10000^(−i / frequency_steps), i from 0 to 127: 128 in DiT and SiT, 127 in
    /// diffusers.
    pub frequency_steps: usize,
}

impl Variant {
    /// What DiT's and SiT's classes compute.
    pub const DIT: Self = Self { mlp_epsilon: EPSILON, frequency_steps: TIME_FEATURES / 2 };
    /// What diffusers' class computes as it is by default.
    pub const DIFFUSERS: Self = Self { mlp_epsilon: 1e-5, frequency_steps: TIME_FEATURES / 2 - 1 };

    fn is_dit(&self) -> bool {
        *self == Self::DIT
    }
}

impl Default for Variant {
    fn default() -> Self {
        Self::DIT
    }
}

/// A configuration that is no model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no diffusion transformer: {0}")]
pub struct ConfigError(String);

/// What LayerNorms add to the variance, but for that of [`Variant::mlp_epsilon`].
pub(crate) const EPSILON: f32 = 1e-6;
/// Sines and cosines of the time.
pub(crate) const TIME_FEATURES: usize = 256;
/// The hidden width of a block's MLP is this many D.
pub(crate) const MLP_RATIO: usize = 4;
/// More than any image model has: sizes read from a file are not to overflow, nor to allocate the
/// machine's memory.
const MOST: usize = 1 << 16;
/// Likewise for the elements of an image, and of its tokens.
const MOST_ELEMENTS: usize = 1 << 26;
/// The most tokens: on a CPU the gradient of attention keeps two numbers for each pair of them, 128 MiB a thread.
const MOST_TOKENS: usize = 1 << 12;

impl Config {
    /// Checks that the sizes fit together.
    ///
    /// # Errors
    /// [`ConfigError`] names the sizes that do not.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let Config { side, channels, patch, width, depth, heads, classes, time_scale, path: _, variant } = *self;
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
        // A browser's usize has 32 bits, in which a product may be small again.
        let tokens = (side as u64 / patch as u64).pow(2);
        let elements = (channels as u64 * (side as u64).pow(2)).max(tokens * width as u64);
        if elements > MOST_ELEMENTS as u64 {
            return Err(ConfigError(format!(
                "an image of {channels} channels of {side}×{side}, or its {tokens} tokens of width {width}, would have \
                 over {MOST_ELEMENTS} elements"
            )));
        }
        if tokens > MOST_TOKENS as u64 {
            return Err(ConfigError(format!(
                "{tokens} tokens are more than the {MOST_TOKENS} that attention takes; use a larger patch"
            )));
        }
        if !(time_scale.is_finite() && time_scale > 0.0) {
            return Err(ConfigError(format!("a time scale of {time_scale} is not positive")));
        }
        let Variant { mlp_epsilon, frequency_steps } = variant;
        if !(mlp_epsilon.is_finite() && mlp_epsilon > 0.0) {
            return Err(ConfigError(format!("an epsilon of {mlp_epsilon} is not positive")));
        }
        if ![Variant::DIT.frequency_steps, Variant::DIFFUSERS.frequency_steps].contains(&frequency_steps) {
            return Err(ConfigError(format!(
                "frequencies of {frequency_steps} steps are neither DiT's nor diffusers'"
            )));
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

    /// Names and shapes of all parameters, in the order of their arena: the Linears of adaLN, which are all given the same,
    /// side by side, so that they can be used as one.
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
        }
        linear("final_layer.linear", &[self.patch_size(), d]);
        for (name, chunks) in self.modulations() {
            add(&format!("{name}.weight"), &[chunks * d, d]);
        }
        for (name, chunks) in self.modulations() {
            add(&format!("{name}.bias"), &[chunks * d]);
        }
        add("y_embedder.embedding_table.weight", &[self.classes + 1, d]);
        specs
    }

    /// Names of the Linears of adaLN, in order, and the chunks of D that each makes.
    pub(crate) fn modulations(&self) -> impl Iterator<Item = (String, usize)> {
        let blocks = (0..self.depth).map(|block| (format!("blocks.{block}.adaLN_modulation.1"), 6));
        blocks.chain([("final_layer.adaLN_modulation.1".to_owned(), 2)])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SMALL: Config = Config {
        side: 28,
        channels: 1,
        patch: 4,
        width: 128,
        depth: 4,
        heads: 4,
        classes: 10,
        time_scale: 1000.0,
        path: FlowPath::CondOt,
        variant: Variant::DIT,
    };

    #[test]
    fn what_is_no_model_is_refused_with_its_sizes() {
        let variant =
            |mlp_epsilon, frequency_steps| Config { variant: Variant { mlp_epsilon, frequency_steps }, ..SMALL };
        let refused: [(Config, &[&str]); 28] = [
            (Config { side: 0, ..SMALL }, &["side is 0"]),
            (Config { channels: 0, ..SMALL }, &["channels is 0"]),
            (Config { patch: 0, ..SMALL }, &["patch is 0"]),
            (Config { width: 0, ..SMALL }, &["width is 0"]),
            (Config { depth: 0, ..SMALL }, &["depth is 0"]),
            (Config { heads: 0, ..SMALL }, &["heads is 0"]),
            (Config { classes: 0, ..SMALL }, &["classes is 0"]),
            (Config { side: usize::MAX, ..SMALL }, &["side is 18446744073709551615", "65536"]),
            (Config { width: 65_540, ..SMALL }, &["width is 65540", "65536"]),
            (Config { depth: 1 << 63, ..SMALL }, &["depth is 9223372036854775808"]),
            (Config { classes: 65_537, ..SMALL }, &["classes is 65537"]),
            (Config { patch: 3, ..SMALL }, &["side of 28", "patch, 3"]),
            (Config { patch: 56, ..SMALL }, &["side of 28", "patch, 56"]),
            (Config { heads: 3, ..SMALL }, &["width of 128", "heads, 3"]),
            (Config { heads: 64, ..SMALL }, &["width of 128", "heads, 64"]),
            (Config { width: 130, ..SMALL }, &["width of 130", "heads, 4"]),
            (Config { side: 65_536, patch: 65_536, ..SMALL }, &["1 channels of 65536×65536"]),
            (Config { channels: 65_536, side: 64, patch: 2, ..SMALL }, &["65536 channels of 64×64"]),
            (Config { side: 4096, patch: 4, width: 65_536, ..SMALL }, &["1048576 tokens of width 65536"]),
            (Config { side: 260, ..SMALL }, &["4225 tokens", "4096"]),
            (Config { time_scale: 0.0, ..SMALL }, &["time scale of 0"]),
            (Config { time_scale: -1.0, ..SMALL }, &["time scale of -1"]),
            (Config { time_scale: f32::NAN, ..SMALL }, &["time scale of NaN"]),
            (Config { time_scale: f32::INFINITY, ..SMALL }, &["time scale of inf"]),
            (variant(0.0, 128), &["epsilon of 0"]),
            (variant(f32::NAN, 128), &["epsilon of NaN"]),
            (variant(1e-6, 0), &["frequencies of 0 steps"]),
            (variant(1e-6, 129), &["frequencies of 129 steps"]),
        ];
        for (config, said) in refused {
            let message = match config.validate() {
                Ok(()) => String::from("no error"),
                Err(error) => error.to_string(),
            };
            for word in said {
                assert!(message.contains(word), "`{word}` is not in: {message}, for {config:?}");
            }
        }
    }

    /// Files from before there were paths have none in their configuration, and those of the straight one still do not.
    #[test]
    fn configurations_without_a_path_are_of_the_straight_one() {
        let text = serde_json::to_string(&SMALL).unwrap();
        assert!(!text.contains("path"), "{text}");
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), SMALL);
        let other = Config { path: FlowPath::Polynomial(3), ..SMALL };
        let text = serde_json::to_string(&other).unwrap();
        assert!(text.ends_with(r#""path":"polynomial:3"}"#), "{text}");
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), other);
        let wrong = text.replace("polynomial:3", "polynomial:300");
        let complaint = serde_json::from_str::<Config>(&wrong).unwrap_err().to_string();
        assert!(complaint.contains("polynomial:300") && complaint.contains("no path"), "{complaint}");
    }

    /// Every combination of extreme sizes: none panics, and what is a model has sizes that kernels take.
    #[test]
    fn what_is_accepted_fits_the_kernels() {
        const SIZES: [usize; 8] = [0, 1, 4, 28, 256, 1 << 16, (1 << 32) + 4, usize::MAX];
        let mut accepted = 0;
        for number in 0..SIZES.len().pow(5) {
            let size = |digit: u32| SIZES[number / SIZES.len().pow(digit) % SIZES.len()];
            let config =
                Config { side: size(0), channels: size(1), patch: size(2), width: size(3), heads: size(4), ..SMALL };
            if config.validate().is_ok() {
                accepted += 1;
                assert!(config.tokens() <= MOST_TOKENS, "{config:?}");
                assert!(config.image_size() <= MOST_ELEMENTS && config.tokens() * config.width <= MOST_ELEMENTS);
                assert!((config.width / config.heads).is_multiple_of(4) && config.side.is_multiple_of(config.patch));
            }
        }
        assert!(accepted > 50, "only {accepted} were accepted");
        assert_eq!(SMALL.validate(), Ok(()));
    }

    /// Files from before there were variants are DiT's, and DiT's have no word of them.
    #[test]
    fn a_variant_is_stored_where_it_is_none_of_dits() {
        let text = serde_json::to_string(&SMALL).unwrap();
        assert!(text.ends_with(r#""classes":10,"time_scale":1000.0}"#), "{text}");
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), SMALL);
        let other = Config { variant: Variant::DIFFUSERS, ..SMALL };
        let text = serde_json::to_string(&other).unwrap();
        assert!(text.ends_with(r#""variant":{"mlp_epsilon":0.00001,"frequency_steps":127}}"#), "{text}");
        assert_eq!(serde_json::from_str::<Config>(&text).unwrap(), other);
    }
}
