//! The network one operation at a time, in the order of `Dit::forward`, with what lies between them read back.

use std::ops::Range;

use autograd::{Activation, Tape, Variable};
use dit::{Config, Dit, Input};
use kernels::{Heads, PatchOrder, Patchify, TimeFeatures};
use runtime::{Buffer, Result, Stream};

/// What DiT's LayerNorms add to the variance.
const EPSILON: f32 = 1e-6;

/// Numbers on the host, row-major.
#[derive(Clone, Debug)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f32>,
}

impl Matrix {
    pub fn new(columns: usize, values: Vec<f32>) -> Self {
        Self { rows: values.len() / columns, columns, values }
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.columns..][..self.columns]
    }

    /// Some rows.
    pub fn rows(&self, rows: Range<usize>) -> Self {
        Self::new(self.columns, self.values[rows.start * self.columns..rows.end * self.columns].to_vec())
    }

    /// Some columns of all rows.
    pub fn columns(&self, columns: Range<usize>) -> Self {
        let values = (0..self.rows).flat_map(|row| self.row(row)[columns.clone()].to_vec()).collect();
        Self::new(columns.len(), values)
    }
}

/// What the network computes for a batch. In each matrix the items follow each other: a row each for what
/// belongs to an image, T rows for what belongs to its tokens.
pub struct Walk {
    /// (B, 256)
    pub features: Matrix,
    /// (B, D): the time MLP before its SiLU, after it, and its result.
    pub hidden: Matrix,
    pub active: Matrix,
    pub time: Matrix,
    /// (B, D): time and label, and its SiLU.
    pub sum: Matrix,
    pub condition: Matrix,
    /// (B · T, p · p · C)
    pub patches: Matrix,
    /// (B · T, D): the patches' product, and the same with positions.
    pub product: Matrix,
    pub tokens: Matrix,
    pub blocks: Vec<Block>,
    /// (B · T, D): before the last product, and after it (B · T, p · p · C).
    pub last: Matrix,
    pub last_patches: Matrix,
    /// (B, C · S · S), on the device.
    pub velocity: Buffer,
}

/// What a block computes.
pub struct Block {
    /// (B, 6D)
    pub modulation: Matrix,
    /// (B · T, D): what attention is given, (B · T, 3D) its queries, keys and values, and what it gives.
    pub modulated: Matrix,
    pub qkv: Matrix,
    pub attended: Matrix,
    /// (B · T, D): the tokens after attention.
    pub between: Matrix,
    /// (B · T, 4D): the MLP before and after its GELU.
    pub before_gelu: Matrix,
    pub after_gelu: Matrix,
    /// (B · T, D): the tokens after the block.
    pub out: Matrix,
}

/// Goes through the network with `input`, whose positions are the model's.
pub fn walk(stream: &mut Stream, model: &Dit, positions: &Buffer, input: &Input<'_>) -> Result<Walk> {
    let Config { side, channels, patch, width, heads, depth, time_scale, .. } = *model.config();
    let (batch, tokens, parameters) = (input.batch, model.config().tokens(), model.parameters());
    let linear = |name: &str| ["weight", "bias"].map(|part| parameters.named(&format!("{name}.{part}")));
    let tape = &mut Tape::inference(stream, parameters);

    // Time and class.
    let half = 128;
    let frequencies = tape.stream().upload(&frequencies(half))?;
    let out = tape.stream().allocate(batch * 2 * half)?;
    TimeFeatures { time: input.time, frequencies: &frequencies, out: &out, scale: time_scale, batch, half }
        .launch(tape.stream())?;
    let features = Variable::constant(out, batch, 2 * half);
    let hidden = tape.linear(&features, linear("t_embedder.mlp.0"), Activation::Identity)?;
    let active = tape.silu(&hidden)?;
    let time = tape.linear(&active, linear("t_embedder.mlp.2"), Activation::Identity)?;
    let sum = tape.label_embedding(&time, input.labels, parameters.named("y_embedder.embedding_table.weight"))?;
    let condition = tape.silu(&sum)?;

    // The image, as tokens.
    let (rows, columns) = (batch * tokens, channels * patch * patch);
    let out = tape.stream().allocate(rows * columns)?;
    Patchify {
        images: input.images,
        out: &out,
        batch,
        source_batch: input.source_batch,
        channels,
        side,
        patch,
        order: PatchOrder::ChannelFirst,
    }
    .launch(tape.stream())?;
    let patches = Variable::constant(out, rows, columns);
    let product = tape.linear(&patches, linear("x_embedder.proj"), Activation::Identity)?;
    let product_read = read(tape, &product)?;
    let mut x = tape.add_positions(product, positions, tokens)?;
    let embedded = read(tape, &x)?;

    let mut blocks = Vec::with_capacity(depth);
    for block in 0..depth {
        let linear = |name: &str| linear(&format!("blocks.{block}.{name}"));
        let modulation = tape.linear(&condition, linear("adaLN_modulation.1"), Activation::Identity)?;
        let modulated = tape.layer_norm_modulate(&x, &modulation, 0, width, EPSILON)?;
        let qkv = tape.linear(&modulated, linear("attn.qkv"), Activation::Identity)?;
        let attended = tape.attention(&qkv, Heads { batch, tokens, heads, head_dim: width / heads })?;
        let between = tape.gated_linear(&attended, linear("attn.proj"), &x, &modulation, 2 * width)?;
        let h = tape.layer_norm_modulate(&between, &modulation, 3 * width, 4 * width, EPSILON)?;
        // The network has the GELU in the same launch; without it there is something to see.
        let before_gelu = tape.linear(&h, linear("mlp.fc1"), Activation::Identity)?;
        let after_gelu = tape.linear(&h, linear("mlp.fc1"), Activation::Gelu)?;
        x = tape.gated_linear(&after_gelu, linear("mlp.fc2"), &between, &modulation, 5 * width)?;
        blocks.push(Block {
            modulation: read(tape, &modulation)?,
            modulated: read(tape, &modulated)?,
            qkv: read(tape, &qkv)?,
            attended: read(tape, &attended)?,
            between: read(tape, &between)?,
            before_gelu: read(tape, &before_gelu)?,
            after_gelu: read(tape, &after_gelu)?,
            out: read(tape, &x)?,
        });
    }

    // Back to an image.
    let modulation = tape.linear(&condition, linear("final_layer.adaLN_modulation.1"), Activation::Identity)?;
    let last = tape.layer_norm_modulate(&x, &modulation, 0, width, EPSILON)?;
    let last_patches = tape.linear(&last, linear("final_layer.linear"), Activation::Identity)?;
    let velocity = tape.unpatchify(&last_patches, channels, side, patch)?;
    Ok(Walk {
        features: read(tape, &features)?,
        hidden: read(tape, &hidden)?,
        active: read(tape, &active)?,
        time: read(tape, &time)?,
        sum: read(tape, &sum)?,
        condition: read(tape, &condition)?,
        patches: read(tape, &patches)?,
        product: product_read,
        tokens: embedded,
        blocks,
        last: read(tape, &last)?,
        last_patches: read(tape, &last_patches)?,
        velocity: velocity.value().clone(),
    })
}

/// The frequencies of the time features, 10000^(−i / half), rounded where `dit` rounds them.
pub fn frequencies(half: usize) -> Vec<f32> {
    let log_period = -(10_000f64.ln()) as f32;
    (0..half).map(|i| (log_period * i as f32 / half as f32).exp()).collect()
}

fn read(tape: &mut Tape<'_>, variable: &Variable) -> Result<Matrix> {
    Ok(Matrix::new(variable.columns(), tape.stream().read(variable.value())?))
}

/// The weights with which each token of the first item looks at each other, a (T, T) matrix a head:
/// softmax(q · kᵀ / √head_dim). The kernel keeps them to itself, so they are worked out once more.
pub fn attention_weights(qkv: &Matrix, tokens: usize, heads: usize) -> Vec<Matrix> {
    let width = qkv.columns / 3;
    let dim = width / heads;
    let of_head = |head: usize| {
        let score = |query: usize, key: usize| {
            let (q, k) = (&qkv.row(query)[head * dim..][..dim], &qkv.row(key)[width + head * dim..][..dim]);
            q.iter().zip(k).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum::<f64>() / (dim as f64).sqrt()
        };
        let weights = (0..tokens).flat_map(|query| {
            let scores: Vec<f64> = (0..tokens).map(|key| score(query, key)).collect();
            let highest = scores.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = scores.iter().map(|score| (score - highest).exp()).sum();
            scores.into_iter().map(move |score| ((score - highest).exp() / total) as f32)
        });
        Matrix::new(tokens, weights.collect())
    };
    (0..heads).map(of_head).collect()
}

/// The largest difference between what attention gave and the weights times its values: none, if the weights
/// are the kernel's.
pub fn attention_difference(block: &Block, weights: &[Matrix]) -> f32 {
    let width = block.attended.columns;
    let dim = width / weights.len();
    let tokens = weights[0].rows;
    let difference = |token: usize, column: usize| {
        let weights = weights[column / dim].row(token);
        let values = (0..tokens).map(|key| block.qkv.row(key)[2 * width + column]);
        let sum: f32 = weights.iter().zip(values).map(|(weight, value)| weight * value).sum();
        (sum - block.attended.row(token)[column]).abs()
    };
    (0..tokens * width).map(|i| difference(i / width, i % width)).fold(0.0, f32::max)
}
