//! The parameters that training starts from.

use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use crate::Config;

/// The standard deviation of embeddings.
const EMBEDDING_DEVIATION: f32 = 0.02;

/// DiT's initialisation: Xavier-uniform Linears with zero biases; label table and time MLP from
/// N(0, 0.02²); every adaLN Linear and the final Linear zero, so that each block starts as the identity.
pub(crate) fn initial_values(config: &Config, seed: u64) -> Vec<Vec<f32>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    config
        .parameters()
        .iter()
        .map(|spec| {
            let (name, len) = (spec.name.as_str(), spec.len());
            if name.ends_with(".bias") || name.contains("adaLN") || name == "final_layer.linear.weight" {
                vec![0.0; len]
            } else if name.starts_with("t_embedder") || name.starts_with("y_embedder") {
                (0..len).map(|_| EMBEDDING_DEVIATION * random.sample::<f32, _>(StandardNormal)).collect()
            } else {
                // A convolution over patches counts as a Linear over their elements.
                let (fan_out, fan_in) = (spec.shape[0], len / spec.shape[0]);
                let bound = (6.0 / (fan_in + fan_out) as f32).sqrt();
                (0..len).map(|_| random.random_range(-bound..bound)).collect()
            }
        })
        .collect()
}
