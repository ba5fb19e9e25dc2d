//! The network.

use autograd::{Activation, Parameter, Parameters, Tape, Variable};
use dit::sine_cosine;
use kernels::{Heads, PatchOrder, Patchify};
use runtime::{Buffer, Result, Stream};

use super::Config;

/// The weight and the bias of a Linear.
type Linear = [Parameter; 2];

/// A classifier on a device: pre-norm transformer blocks without class token, the mean of the tokens, and a
/// linear head. Layer norms have no affine part.
#[derive(Clone, Debug)]
pub struct Classifier {
    config: Config,
    parameters: Parameters,
    patches: Linear,
    blocks: Vec<Block>,
    head: Linear,
    positions: Buffer,
    /// For each item a row of D zeros, which shift and scale nothing, and D ones, which gate nothing.
    neutral: Buffer,
}

#[derive(Clone, Debug)]
struct Block {
    qkv: Linear,
    projection: Linear,
    fc1: Linear,
    fc2: Linear,
}

/// What the classifier says about images, on the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Output {
    /// (N, D): the mean of the tokens, before the head.
    pub features: Vec<f32>,
    /// (N): the class of the largest logit.
    pub classes: Vec<u8>,
}

/// Images at once.
const BATCH: usize = 128;
/// Added to the variance in every LayerNorm.
const EPSILON: f32 = 1e-6;

impl Classifier {
    /// A classifier with given values of [`Config::parameters`].
    ///
    /// # Errors
    /// What the device reports.
    pub fn new(stream: &mut Stream, config: Config, values: &[Vec<f32>]) -> Result<Self> {
        let parameters = Parameters::new(stream, config.parameters(), values)?;
        let linear = |name: &str| ["weight", "bias"].map(|part| parameters.named(&format!("{name}.{part}")));
        let block = |index: usize| {
            let linear = |name: &str| linear(&format!("blocks.{index}.{name}"));
            Block {
                qkv: linear("attn.qkv"),
                projection: linear("attn.proj"),
                fc1: linear("mlp.fc1"),
                fc2: linear("mlp.fc2"),
            }
        };
        let width = config.width;
        let neutral: Vec<f32> =
            (0..BATCH * 2 * width).map(|i| if i % (2 * width) < width { 0.0 } else { 1.0 }).collect();
        Ok(Self {
            patches: linear("patch_embed.proj"),
            blocks: (0..config.depth).map(block).collect(),
            head: linear("head"),
            positions: stream.upload(&sine_cosine(config.side / config.patch, width))?,
            neutral: stream.upload(&neutral)?,
            config,
            parameters,
        })
    }

    /// The sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Features (B, D) and logits (B, classes) of images (B, 1, S, S) in [−1, 1]; B is 128 at most. The tape must
    /// be over [`Classifier::parameters`].
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn forward(&self, tape: &mut Tape<'_>, images: &Buffer, batch: usize) -> Result<(Variable, Variable)> {
        let Config { side, patch, width, heads, .. } = self.config;
        let tokens = self.config.tokens();
        let (rows, columns) = (batch * tokens, patch * patch);
        let out = tape.stream().allocate(rows * columns)?;
        let order = PatchOrder::ChannelFirst;
        Patchify { images, out: &out, batch, source_batch: batch, channels: 1, side, patch, order }
            .launch(tape.stream())?;
        let x = tape.linear(&Variable::constant(out, rows, columns), self.patches, Activation::Identity)?;
        let mut x = tape.add_positions(x, &self.positions, tokens)?;

        let neutral = Variable::constant(self.neutral.slice(0..batch * 2 * width), batch, 2 * width);
        let heads = Heads { batch, tokens, heads, head_dim: width / heads };
        for block in &self.blocks {
            let h = tape.layer_norm_modulate(&x, &neutral, 0, 0, EPSILON)?;
            let h = tape.linear(&h, block.qkv, Activation::Identity)?;
            let h = tape.attention(&h, heads)?;
            x = tape.gated_linear(&h, block.projection, &x, &neutral, width)?;
            let h = tape.layer_norm_modulate(&x, &neutral, 0, 0, EPSILON)?;
            let h = tape.linear(&h, block.fc1, Activation::Gelu)?;
            x = tape.gated_linear(&h, block.fc2, &x, &neutral, width)?;
        }
        let x = tape.layer_norm_modulate(&x, &neutral, 0, 0, EPSILON)?;
        let features = tape.mean_pool(&x, tokens)?;
        let logits = tape.linear(&features, self.head, Activation::Identity)?;
        Ok((features, logits))
    }

    /// What the classifier says about images (N, 1, S, S) of 0 to 255.
    ///
    /// # Errors
    /// What the device reports.
    pub fn classify(&self, stream: &mut Stream, images: &[u8]) -> Result<Output> {
        let size = self.config.image_size();
        let mut output = Output::default();
        for chunk in images.chunks(BATCH * size) {
            let values: Vec<f32> = chunk.iter().map(|byte| signed(*byte)).collect();
            let uploaded = stream.upload(&values)?;
            let mut tape = Tape::inference(stream, &self.parameters);
            let (features, logits) = self.forward(&mut tape, &uploaded, chunk.len() / size)?;
            output.features.extend(stream.read::<f32>(features.value())?);
            let logits: Vec<f32> = stream.read(logits.value())?;
            output.classes.extend(logits.chunks(self.config.classes).map(largest));
        }
        Ok(output)
    }
}

/// A byte in [−1, 1].
pub(super) fn signed(byte: u8) -> f32 {
    f32::from(byte) / 127.5 - 1.0
}

fn largest(logits: &[f32]) -> u8 {
    let best = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b]));
    best.map_or(0, |class| class as u8)
}
