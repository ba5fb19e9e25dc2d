//! What is compared.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::sizes::{BATCH, HEAD_DIM, HEADS, HIDDEN, PARAMETERS, ROWS, TOKENS, WIDTH};

/// Something that is measured in ours and in a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `x · w + b` into queries, keys and values.
    QueryKeyValue,
    /// `GELU(x · w + b)`, the first layer of an MLP.
    LinearGelu,
    /// `x + gate · (h · w + b)`, the second layer of an MLP.
    LinearGated,
    /// `upstream · wᵀ`, the gradient of the first layer's input.
    InputGradient,
    /// `xᵀ · upstream`, the gradient of the first layer's weights.
    WeightGradient,
    /// The sum of `upstream` over rows, the gradient of the first layer's bias.
    BiasGradient,
    /// A square product, which the model does not have.
    SquareProduct,
    /// `norm(x) · (1 + scale) + shift`.
    LayerNorm,
    /// The gradients of the same for `x`, `scale` and `shift`, after it.
    LayerNormGradient,
    /// `softmax(q · kᵀ / √d) · v`.
    Attention,
    /// The gradients of the same for `q`, `k` and `v`, after it.
    AttentionGradient,
    /// AdamW's update of as many parameters as the model has, in one piece, and of their moving average.
    AdamW,
    /// A training step: noise, forwards, backwards, update.
    Step,
    /// Drawing digits with guidance.
    Sample,
}

impl Operation {
    /// All of them, in the order of a table.
    pub const ALL: [Self; 14] = [
        Self::QueryKeyValue,
        Self::LinearGelu,
        Self::LinearGated,
        Self::InputGradient,
        Self::WeightGradient,
        Self::BiasGradient,
        Self::SquareProduct,
        Self::LayerNorm,
        Self::LayerNormGradient,
        Self::Attention,
        Self::AttentionGradient,
        Self::AdamW,
        Self::Step,
        Self::Sample,
    ];

    /// The operation in a few words.
    pub const fn title(self) -> &'static str {
        match self {
            Self::QueryKeyValue => "linear + bias",
            Self::LinearGelu => "linear + bias + GELU",
            Self::LinearGated => "linear + bias, gated, + residual",
            Self::InputGradient => "product, gradient of an input",
            Self::WeightGradient => "product, gradient of weights",
            Self::BiasGradient => "column sum, gradient of a bias",
            Self::SquareProduct => "square product",
            Self::LayerNorm => "layer norm, modulated",
            Self::LayerNormGradient => "layer norm, modulated, and backwards",
            Self::Attention => "attention",
            Self::AttentionGradient => "attention and backwards",
            Self::AdamW => "AdamW and a moving average",
            Self::Step => "training step",
            Self::Sample => "sampling",
        }
    }

    /// The sizes in words; of a product, m × k × n.
    pub fn shape(self) -> String {
        match self {
            Self::QueryKeyValue => format!("{ROWS}×{WIDTH}×{}", 3 * WIDTH),
            Self::LinearGelu => format!("{ROWS}×{WIDTH}×{HIDDEN}"),
            Self::LinearGated | Self::InputGradient => format!("{ROWS}×{HIDDEN}×{WIDTH}"),
            Self::WeightGradient => format!("{WIDTH}×{ROWS}×{HIDDEN}"),
            Self::BiasGradient => format!("{ROWS}×{HIDDEN}"),
            Self::SquareProduct => "512×512×512".into(),
            Self::LayerNorm | Self::LayerNormGradient => format!("{ROWS}×{WIDTH}"),
            Self::Attention | Self::AttentionGradient => {
                format!("batch {BATCH}, heads {HEADS}, tokens {TOKENS}, head {HEAD_DIM}")
            }
            Self::AdamW => PARAMETERS.to_string(),
            Self::Step => format!("batch {BATCH}"),
            Self::Sample => "100 images, guidance".into(),
        }
    }
}
