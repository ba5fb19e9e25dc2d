//! The sizes of the trainer's preset `small` with MNIST's images.

/// Images a step.
pub const BATCH: usize = 64;
/// Patches of an image: 7 × 7.
pub const TOKENS: usize = 49;
/// Tokens of a batch.
pub const ROWS: usize = BATCH * TOKENS;
/// Values of a patch: 4 × 4 of one channel.
pub const PATCH_SIZE: usize = 16;
/// Patches in a row of an image.
pub const GRID: usize = 7;
/// Values a token has within the model.
pub const WIDTH: usize = 128;
/// Values a token has within a block's MLP.
pub const HIDDEN: usize = 4 * WIDTH;
/// Heads of attention.
pub const HEADS: usize = 4;
/// Values of a token in a head.
pub const HEAD_DIM: usize = WIDTH / HEADS;
/// Blocks.
pub const DEPTH: usize = 4;
/// Classes, without the one that stands for none.
pub const CLASSES: usize = 10;
/// Cosines and sines that stand for a time.
pub const TIME_FEATURES: usize = 256;
/// What a layer norm adds to a variance.
pub const EPSILON: f32 = 1e-6;
/// How often a label is replaced by that of no class.
pub const LABEL_DROPOUT: f64 = 0.1;
/// Parameters of the model.
pub const PARAMETERS: usize = 1_275_408;
/// The settings of AdamW.
pub mod adamw {
    /// The learning rate.
    pub const RATE: f64 = 1e-3;
    /// The share of the first moment that is kept.
    pub const BETA_1: f32 = 0.9;
    /// The share of the second moment that is kept.
    pub const BETA_2: f32 = 0.999;
    /// What is added to the root of the second moment.
    pub const EPSILON: f32 = 1e-8;
    /// The decoupled decay.
    pub const WEIGHT_DECAY: f32 = 0.01;
    /// The share of the parameters' moving average that is kept.
    pub const DECAY: f32 = 0.999;
}
