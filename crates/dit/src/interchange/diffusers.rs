//! diffusers' `config.json`.

use serde::{Deserialize, Serialize};

use crate::{Config, Variant};

/// The arguments of `DiTTransformer2DModel`, with its defaults.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DiffusersConfig {
    #[serde(rename = "_class_name")]
    class_name: String,
    activation_fn: String,
    attention_bias: bool,
    pub(super) attention_head_dim: usize,
    dropout: f32,
    pub(super) in_channels: usize,
    norm_elementwise_affine: bool,
    pub(super) norm_eps: f32,
    norm_num_groups: usize,
    norm_type: String,
    pub(super) num_attention_heads: usize,
    /// The classes, without the null class.
    pub(super) num_embeds_ada_norm: Option<usize>,
    pub(super) num_layers: usize,
    pub(super) out_channels: Option<usize>,
    pub(super) patch_size: usize,
    pub(super) sample_size: usize,
    upcast_attention: bool,
}

impl Default for DiffusersConfig {
    fn default() -> Self {
        Self {
            class_name: CLASS.into(),
            activation_fn: "gelu-approximate".into(),
            attention_bias: true,
            attention_head_dim: 72,
            dropout: 0.0,
            in_channels: 4,
            norm_elementwise_affine: false,
            norm_eps: Variant::DIFFUSERS.mlp_epsilon,
            norm_num_groups: 32,
            norm_type: "ada_norm_zero".into(),
            num_attention_heads: 16,
            num_embeds_ada_norm: Some(1000),
            num_layers: 28,
            out_channels: None,
            patch_size: 2,
            sample_size: 32,
            upcast_attention: false,
        }
    }
}

const CLASS: &str = "DiTTransformer2DModel";
/// What the class was a part of before it had a name; published weights still say so.
const FORMER_CLASS: &str = "Transformer2DModel";

impl DiffusersConfig {
    /// The configuration that a model has there.
    pub(super) fn of(config: &Config, learn_sigma: bool) -> Self {
        Self {
            attention_head_dim: config.width / config.heads,
            in_channels: config.channels,
            norm_eps: config.variant.mlp_epsilon,
            num_attention_heads: config.heads,
            num_embeds_ada_norm: Some(config.classes),
            num_layers: config.depth,
            out_channels: Some(if learn_sigma { 2 * config.channels } else { config.channels }),
            patch_size: config.patch,
            sample_size: config.side,
            ..Self::default()
        }
    }

    /// Reads it, and checks that it is of the network that is known here.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence that begins with "its config.json".
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let config: Self = serde_json::from_str(text).map_err(|error| format!("cannot be read ({error})"))?;
        if ![CLASS, FORMER_CLASS].contains(&config.class_name.as_str()) {
            return Err(format!("is of the class {}, not {CLASS}", config.class_name));
        }
        let wanted = Self::default();
        let expect = |key: &str, found: &str, wanted: &str| {
            if found == wanted {
                Ok(())
            } else {
                Err(format!("has {key} = {found}, but the network here is one of {key} = {wanted}"))
            }
        };
        let text = |flag: bool| flag.to_string();
        expect("activation_fn", &config.activation_fn, &wanted.activation_fn)?;
        expect("norm_type", &config.norm_type, &wanted.norm_type)?;
        expect("attention_bias", &text(config.attention_bias), &text(wanted.attention_bias))?;
        let affine = config.norm_elementwise_affine;
        expect("norm_elementwise_affine", &text(affine), &text(wanted.norm_elementwise_affine))?;
        Ok(config)
    }

    /// D.
    pub(super) fn width(&self) -> usize {
        self.attention_head_dim.saturating_mul(self.num_attention_heads)
    }

    /// The channels of the last Linear.
    pub(super) fn channels_out(&self) -> usize {
        self.out_channels.unwrap_or(self.in_channels)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_survives_being_written() {
        let config = Config {
            side: 12,
            channels: 3,
            patch: 2,
            width: 24,
            depth: 5,
            heads: 3,
            classes: 7,
            time_scale: 1.0,
            path: kernels::FlowPath::CondOt,
            variant: Variant { mlp_epsilon: 1e-6, frequency_steps: 127 },
        };
        let written = DiffusersConfig::of(&config, true);
        let text = serde_json::to_string(&written).unwrap();
        assert!(text.contains(r#""_class_name":"DiTTransformer2DModel""#) && text.contains(r#""norm_eps":0.000001"#));
        assert_eq!(DiffusersConfig::parse(&text), Ok(written.clone()));
        assert_eq!((written.width(), written.channels_out(), written.num_embeds_ada_norm), (24, 6, Some(7)));
    }

    #[test]
    fn what_is_left_out_is_as_diffusers_has_it() {
        let config = DiffusersConfig::parse(r#"{"_class_name": "Transformer2DModel", "use_linear_projection": false}"#);
        let config = config.unwrap();
        assert_eq!((config.width(), config.num_layers, config.norm_eps), (1152, 28, 1e-5));
        assert_eq!(config.channels_out(), 4);
    }

    #[test]
    fn other_networks_are_refused() {
        let refused = [
            ("{", "cannot be read"),
            (r#"{"num_layers": -1}"#, "cannot be read"),
            (r#"{"_class_name": "UNet2DModel"}"#, "class UNet2DModel"),
            (r#"{"activation_fn": "geglu"}"#, "activation_fn = geglu"),
            (r#"{"norm_type": "ada_norm"}"#, "norm_type = ada_norm,"),
            (r#"{"attention_bias": false}"#, "attention_bias = false"),
            (r#"{"norm_elementwise_affine": true}"#, "norm_elementwise_affine = true"),
        ];
        for (text, said) in refused {
            let reason = DiffusersConfig::parse(text).unwrap_err();
            assert!(reason.contains(said), "no `{said}` in: {reason}");
        }
    }
}
