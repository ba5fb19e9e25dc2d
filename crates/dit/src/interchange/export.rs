//! Writing.

use std::borrow::Cow;

use super::diffusers::DiffusersConfig;
use super::names::Place;
use super::{Exported, InterchangeError, Layout, Names, sigma};
use crate::weights::{self, Weights, WeightsError};
use crate::{Config, Variant, positions};

/// How far positions may be off the sines and cosines that another library computes: other libraries'
/// differ by the last bit of an f32 below one.
const POSITIONS_TOLERANCE: f32 = 1e-6;

impl Weights {
    /// These weights in a layout. [`Weights::import`] needs nothing but the bytes to read them again: the metadata
    /// tell the configuration, which other libraries do not look at.
    ///
    /// # Errors
    /// [`InterchangeError::Positions`], and [`WeightsError::Format`] where the tensors cannot be laid out.
    pub fn export(&self, layout: Layout) -> Result<Exported, InterchangeError> {
        let config = &self.config;
        let parameters = config.parameters();
        let mut tensors: Vec<(String, Vec<usize>, Cow<'_, [f32]>)> = Vec::new();
        for (spec, values) in parameters.iter().zip(&self.values) {
            let (mut shape, mut values) = (spec.shape.clone(), Cow::from(values));
            if layout.learn_sigma && spec.name.starts_with("final_layer.linear.") {
                let row = shape[1..].iter().product();
                values = sigma::with_zeros(&values, config.channels, row).into();
                shape[0] *= 2;
            }
            match layout.names.place(&spec.name, config.depth) {
                Place::Parts(names) if names.len() > 1 => {
                    shape[0] /= names.len();
                    let size = shape.iter().product();
                    let parts = values.chunks(size).map(|part| part.to_vec().into());
                    tensors.extend(names.into_iter().zip(parts).map(|(name, part)| (name, shape.clone(), part)));
                }
                Place::Parts(names) | Place::Copies(names) => {
                    tensors.extend(names.into_iter().map(|name| (name, shape.clone(), values.clone())));
                }
            }
        }
        match layout.names {
            Names::Dit => {
                let shape = vec![1, config.tokens(), config.width];
                tensors.push((layout.names.positions().into(), shape, (&self.positions).into()));
            }
            Names::Diffusers if !self.positions_are_computed() => return Err(InterchangeError::Positions),
            Names::Diffusers => {}
        }
        let views = tensors.iter().map(|(name, shape, values)| (name.as_str(), shape.as_slice(), values.as_ref()));
        let bytes = weights::serialize(config, views)?;
        let config_json = match layout.names {
            Names::Dit => None,
            Names::Diffusers => Some(config_json(config, layout.learn_sigma)?),
        };
        Ok(Exported { tensors: bytes, config_json, notes: notes(config, layout) })
    }

    fn positions_are_computed(&self) -> bool {
        let computed = positions::sine_cosine(self.config.side / self.config.patch, self.config.width);
        let near = |(a, b): (&f32, &f32)| (a - b).abs() <= POSITIONS_TOLERANCE;
        self.positions.len() == computed.len() && self.positions.iter().zip(&computed).all(near)
    }
}

fn config_json(config: &Config, learn_sigma: bool) -> Result<String, WeightsError> {
    let text = serde_json::to_string_pretty(&DiffusersConfig::of(config, learn_sigma));
    let text = text.map_err(|error| WeightsError::Format { name: "config.json".into(), reason: error.to_string() })?;
    Ok(text + "\n")
}

/// Where the class that will load the weights does otherwise than they were made for, and what to do.
fn notes(config: &Config, layout: Layout) -> Vec<String> {
    let mut notes = Vec::new();
    let Config { time_scale, path, variant: Variant { mlp_epsilon, frequency_steps }, .. } = *config;
    let t = if time_scale == 1.0 { "t".into() } else { format!("{time_scale} t") };
    notes.push(format!(
        "the network there is to be given {t} as its time, for t from 0 (noise) to 1 (data), and answers with a velocity \
         of the path {path}"
    ));
    match layout.names {
        Names::Dit => {
            if mlp_epsilon != Variant::DIT.mlp_epsilon {
                notes.push(format!(
                    "DiT's and SiT's classes add another epsilon before the MLP than these weights want; after loading: \
                     for block in model.blocks: block.norm2.eps = {mlp_epsilon:e}"
                ));
            }
            if frequency_steps != Variant::DIT.frequency_steps {
                notes.push(
                    "DiT's and SiT's classes have other frequencies of the time than these weights want; after loading: \
                     model.t_embedder.timestep_embedding = lambda t, dim: \
                     diffusers.models.embeddings.get_timestep_embedding(t, dim, flip_sin_to_cos=True)"
                        .into(),
                );
            }
        }
        Names::Diffusers => {
            if frequency_steps != Variant::DIFFUSERS.frequency_steps {
                notes.push(
                    "diffusers' class has other frequencies of the time than these weights want; after loading: for \
                     block in model.transformer_blocks: block.norm1.emb.time_proj.downscale_freq_shift = 0"
                        .into(),
                );
            }
        }
    }
    if layout.learn_sigma {
        notes.push("the second half of its output's channels, the variance of learn_sigma, is zero".into());
    }
    notes
}
