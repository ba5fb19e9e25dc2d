//! The network.

use autograd::{Activation, Parameter, Parameters, Tape, Variable};
use kernels::{Heads, PatchOrder, Patchify, TimeFeatures};
use runtime::{Buffer, Device, Result, Stream, wait};

use crate::config::{EPSILON, TIME_FEATURES};
use crate::modulation::{Modulation, Modulations};
use crate::{Config, Weights, initial, positions};

/// A diffusion transformer on a device.
#[derive(Clone, Debug)]
pub struct Dit {
    config: Config,
    parameters: Parameters,
    handles: Handles,
    positions: Buffer,
    frequencies: Buffer,
}

/// What the network sees: a batch of noisy images, their times and classes.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// (source_batch, C, S, S), in [−1, 1] where there is no noise.
    pub images: &'a Buffer,
    /// The number of images; the batch repeats them as often as it takes, so that guidance can ask
    /// for two velocities of each.
    pub source_batch: usize,
    /// (B): t in [0, 1], noise at 0, data at 1.
    pub time: &'a Buffer,
    /// (B) of `u32`: the class, or the number of classes for none.
    pub labels: &'a Buffer,
    /// B
    pub batch: usize,
}

/// The weight and the bias of a Linear.
pub(crate) type Linear = [Parameter; 2];

/// Where the parameters are in their arena.
#[derive(Clone, Debug)]
struct Handles {
    patches: Linear,
    time: [Linear; 2],
    labels: Parameter,
    blocks: Vec<Block>,
    last: Linear,
    /// Of each block, then of the final layer.
    modulations: Modulations,
}

#[derive(Clone, Debug)]
struct Block {
    qkv: Linear,
    projection: Linear,
    fc1: Linear,
    fc2: Linear,
}

impl Handles {
    fn new(device: &Device, parameters: &Parameters, config: &Config) -> Self {
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
        Self {
            patches: linear("x_embedder.proj"),
            time: ["t_embedder.mlp.0", "t_embedder.mlp.2"].map(linear),
            labels: parameters.named("y_embedder.embedding_table.weight"),
            blocks: (0..config.depth).map(block).collect(),
            last: linear("final_layer.linear"),
            modulations: Modulations::new(device, parameters, config.modulations().map(|(name, _)| linear(&name))),
        }
    }
}

impl Dit {
    /// A model with DiT's initialisation.
    ///
    /// # Errors
    /// What the device reports.
    ///
    /// # Panics
    /// Where [`Config::validate`] refuses the configuration.
    pub fn new(stream: &mut Stream, config: Config, seed: u64) -> Result<Self> {
        let values = initial::initial_values(&config, seed);
        let positions = positions::sine_cosine(config.side / config.patch, config.width);
        Self::from_weights(stream, &Weights { config, values, positions })
    }

    /// A model with given weights.
    ///
    /// # Errors
    /// What the device reports.
    pub fn from_weights(stream: &mut Stream, weights: &Weights) -> Result<Self> {
        let config = weights.config;
        let parameters = Parameters::new(stream, config.parameters(), &weights.values)?;
        let positions = stream.upload(&weights.positions)?;
        let frequencies =
            stream.upload(&positions::time_frequencies(TIME_FEATURES / 2, config.variant.frequency_steps))?;
        let handles = Handles::new(stream.device(), &parameters, &config);
        Ok(Self { config, parameters, handles, positions, frequencies })
    }

    /// The sizes.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The parameters.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The same model with the parameters of another arena: an average of them, for one.
    pub fn with_arena(&self, arena: Buffer) -> Self {
        Self { parameters: self.parameters.with_arena(arena), ..self.clone() }
    }

    /// The weights as they are now.
    ///
    /// # Errors
    /// What the device reports.
    pub fn weights(&self, stream: &mut Stream) -> Result<Weights> {
        wait(self.weights_async(stream))?
    }

    /// As [`Dit::weights`], without waiting.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn weights_async(&self, stream: &mut Stream) -> Result<Weights> {
        Ok(Weights {
            config: self.config,
            values: self.parameters.read_async(stream, self.parameters.arena()).await?,
            positions: stream.read_async(&self.positions)?.await?,
        })
    }

    /// The velocity v(x, t, y) of every image, (B, C · S · S). The tape must be over
    /// [`Dit::parameters`].
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn forward(&self, tape: &mut Tape<'_>, input: &Input<'_>) -> Result<Variable> {
        let Config { side, channels, patch, width, depth, .. } = self.config;
        let condition = self.condition(tape, input)?;
        let modulations = self.handles.modulations.forward(tape, &condition)?;
        let mut x = self.embed(tape, input)?;
        for (block, modulation) in self.handles.blocks.iter().zip(&modulations) {
            x = self.block(tape, &x, modulation, block)?;
        }
        let Modulation { value, column } = &modulations[depth];
        let x = tape.layer_norm_modulate(&x, value, *column, column + width, EPSILON)?;
        let patches = tape.linear(&x, self.handles.last, Activation::Identity)?;
        tape.unpatchify(&patches, channels, side, patch)
    }

    /// SiLU of the sum of time and label embedding, (B, D): what every adaLN Linear is given.
    fn condition(&self, tape: &mut Tape<'_>, input: &Input<'_>) -> Result<Variable> {
        let (batch, half) = (input.batch, TIME_FEATURES / 2);
        let out = tape.stream().allocate(batch * TIME_FEATURES)?;
        TimeFeatures {
            time: input.time,
            frequencies: &self.frequencies,
            out: &out,
            scale: self.config.time_scale,
            batch,
            half,
        }
        .launch(tape.stream())?;
        let features = Variable::constant(out, batch, TIME_FEATURES);
        let [first, second] = self.handles.time;
        let time = tape.linear(&features, first, Activation::Identity)?;
        let time = tape.silu(&time)?;
        let time = tape.linear(&time, second, Activation::Identity)?;
        let sum = tape.label_embedding(&time, input.labels, self.handles.labels)?;
        tape.silu(&sum)
    }

    /// The tokens, (B · T, D).
    fn embed(&self, tape: &mut Tape<'_>, input: &Input<'_>) -> Result<Variable> {
        let config = &self.config;
        let (rows, columns) = (input.batch * config.tokens(), config.patch_size());
        let out = tape.stream().allocate(rows * columns)?;
        Patchify {
            images: input.images,
            out: &out,
            batch: input.batch,
            source_batch: input.source_batch,
            channels: config.channels,
            side: config.side,
            patch: config.patch,
            order: PatchOrder::ChannelFirst,
        }
        .launch(tape.stream())?;
        let x = tape.linear(&Variable::constant(out, rows, columns), self.handles.patches, Activation::Identity)?;
        tape.add_positions(x, &self.positions, config.tokens())
    }

    fn block(&self, tape: &mut Tape<'_>, x: &Variable, modulation: &Modulation, block: &Block) -> Result<Variable> {
        let width = self.config.width;
        // Chunks of the modulation: shift, scale and gate of attention, then those of the MLP.
        let chunk = |index: usize| modulation.column + index * width;
        let modulation = &modulation.value;

        let heads = Heads {
            batch: modulation.rows(),
            tokens: self.config.tokens(),
            heads: self.config.heads,
            head_dim: width / self.config.heads,
        };
        let h = tape.layer_norm_modulate(x, modulation, chunk(0), chunk(1), EPSILON)?;
        let qkv = tape.linear(&h, block.qkv, Activation::Identity)?;
        let h = tape.attention(&qkv, heads)?;
        let x = tape.gated_linear(&h, block.projection, x, modulation, chunk(2))?;

        let h = tape.layer_norm_modulate(&x, modulation, chunk(3), chunk(4), self.config.variant.mlp_epsilon)?;
        tape.feed_forward(&h, [block.fc1, block.fc2], &x, modulation, chunk(5))
    }
}
