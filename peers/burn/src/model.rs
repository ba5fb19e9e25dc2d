//! The project's diffusion transformer, on burn's modules.

use burn::module::Initializer;
use burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use burn::prelude::*;
use burn::tensor::activation::{gelu_approximate, silu};
use burn::tensor::module::{attention, layer_norm};
use measure::sizes::{
    CLASSES, DEPTH, EPSILON, GRID, HEAD_DIM, HEADS, HIDDEN, PATCH_SIZE, TIME_FEATURES, TOKENS, WIDTH,
};

/// A class-conditional DiT whose blocks start as identities (adaLN-Zero).
#[derive(Module, Debug)]
pub struct Dit {
    patches: Linear,
    positions: Tensor<3>,
    frequencies: Tensor<2>,
    time: Linear,
    time_out: Linear,
    labels: Embedding,
    blocks: Vec<Block>,
    modulation: Linear,
    out: Linear,
    norm: Norm,
}

#[derive(Module, Debug)]
struct Block {
    modulation: Linear,
    query_key_value: Linear,
    attended: Linear,
    mlp: Linear,
    mlp_out: Linear,
    norm: Norm,
}

/// A layer norm without parameters of its own.
#[derive(Module, Debug)]
struct Norm {
    ones: Tensor<1>,
}

impl Dit {
    /// The model of preset `small`, with parameters to train on `device`.
    pub fn new(device: &Device) -> Self {
        let xavier = |from, to| linear(from, to, Initializer::XavierUniform { gain: 1.0 }, device);
        let zeros = |from, to| linear(from, to, Initializer::Zeros, device);
        let normal = || Initializer::Normal { mean: 0.0, std: 0.02 };
        let positions = TensorData::new(measure::positions(), [1, TOKENS, WIDTH]);
        let half = TIME_FEATURES / 2;
        let frequencies = (0..half).map(|index| 10_000_f32.powf(-(index as f32) / half as f32)).collect();
        let block = || Block {
            modulation: zeros(WIDTH, 6 * WIDTH),
            query_key_value: xavier(WIDTH, 3 * WIDTH),
            attended: xavier(WIDTH, WIDTH),
            mlp: xavier(WIDTH, HIDDEN),
            mlp_out: xavier(HIDDEN, WIDTH),
            norm: Norm::new(device),
        };
        Self {
            patches: xavier(PATCH_SIZE, WIDTH),
            positions: Tensor::from_data(positions, device),
            frequencies: Tensor::from_data(TensorData::new::<f32, _>(frequencies, [1, half]), device),
            time: linear(TIME_FEATURES, WIDTH, normal(), device),
            time_out: linear(WIDTH, WIDTH, normal(), device),
            labels: EmbeddingConfig::new(CLASSES + 1, WIDTH).with_initializer(normal()).init(device),
            blocks: (0..DEPTH).map(|_| block()).collect(),
            modulation: zeros(WIDTH, 2 * WIDTH),
            out: zeros(WIDTH, PATCH_SIZE),
            norm: Norm::new(device),
        }
    }

    /// The velocity at `images` of batch × 1 × 28 × 28 at `times`, towards the classes `labels`.
    pub fn forward(&self, images: Tensor<4>, times: Tensor<1>, labels: Tensor<1, Int>) -> Tensor<4> {
        let angles = times.unsqueeze_dim::<2>(1) * self.frequencies.clone();
        let features = Tensor::cat(vec![angles.clone().cos(), angles.sin()], 1);
        let time = self.time_out.forward(silu(self.time.forward(features)));
        let condition = silu(time + self.labels.forward(labels.unsqueeze_dim(1)).squeeze_dim(1));

        let patches = self.patches.forward(patchify(images)) + self.positions.clone();
        let hidden = self.blocks.iter().fold(patches, |x, block| block.forward(x, condition.clone()));
        let [shift, scale] = chunks(self.modulation.forward(condition));
        unpatchify(self.out.forward(self.norm.modulated(hidden, scale, shift)))
    }
}

impl Block {
    fn forward(&self, x: Tensor<3>, condition: Tensor<2>) -> Tensor<3> {
        let [shift_1, scale_1, gate_1, shift_2, scale_2, gate_2] = chunks(self.modulation.forward(condition));
        let [batch, ..] = x.dims();
        let normed = self.norm.modulated(x.clone(), scale_1, shift_1);
        let heads = |x: Tensor<3>| x.reshape([batch, TOKENS, HEADS, HEAD_DIM]).swap_dims(1, 2);
        let [query, key, value] = three(self.query_key_value.forward(normed)).map(heads);
        let attended = attention(query, key, value, None, None, Default::default());
        let attended = attended.swap_dims(1, 2).reshape([batch, TOKENS, WIDTH]);
        let x = x + gate_1 * self.attended.forward(attended);

        let normed = self.norm.modulated(x.clone(), scale_2, shift_2);
        x + gate_2 * self.mlp_out.forward(gelu_approximate(self.mlp.forward(normed)))
    }
}

impl Norm {
    fn new(device: &Device) -> Self {
        Self { ones: Tensor::ones([WIDTH], device) }
    }

    fn modulated(&self, x: Tensor<3>, scale: Tensor<3>, shift: Tensor<3>) -> Tensor<3> {
        modulated(x, self.ones.clone(), scale, shift)
    }
}

/// `norm(x) · (1 + scale) + shift`, where `ones` are the weights of a norm that has none.
pub fn modulated(x: Tensor<3>, ones: Tensor<1>, scale: Tensor<3>, shift: Tensor<3>) -> Tensor<3> {
    layer_norm(x, ones, None, f64::from(EPSILON)) * (scale + 1.0) + shift
}

fn linear(from: usize, to: usize, initializer: Initializer, device: &Device) -> Linear {
    LinearConfig::new(from, to).with_initializer(initializer).init(device)
}

/// Equal parts of a modulation of batch × width, to be applied to every token.
fn chunks<const N: usize>(modulation: Tensor<2>) -> [Tensor<3>; N] {
    let parts = modulation.unsqueeze_dim::<3>(1);
    std::array::from_fn(|part| parts.clone().narrow(2, part * WIDTH, WIDTH))
}

fn three(x: Tensor<3>) -> [Tensor<3>; 3] {
    std::array::from_fn(|part| x.clone().narrow(2, part * WIDTH, WIDTH))
}

fn patchify(images: Tensor<4>) -> Tensor<3> {
    let [batch, ..] = images.dims();
    images.reshape([batch, GRID, 4, GRID, 4]).permute([0, 1, 3, 2, 4]).reshape([batch, TOKENS, PATCH_SIZE])
}

fn unpatchify(patches: Tensor<3>) -> Tensor<4> {
    let [batch, ..] = patches.dims();
    patches.reshape([batch, GRID, GRID, 4, 4]).permute([0, 1, 3, 2, 4]).reshape([batch, 1, 4 * GRID, 4 * GRID])
}
