//! The sizes of a model whose file does not state them.

use std::collections::HashSet;
use std::fmt::Display;

use super::diffusers::DiffusersConfig;
use super::tensors::Tensors;
use super::{InterchangeError, Names, Unsaid};
use crate::{Config, TensorError, Variant};

/// What the shapes of the tensors tell.
pub(super) struct Shapes {
    channels: usize,
    patch: usize,
    width: usize,
    depth: usize,
    classes: usize,
    side: Option<usize>,
    pub(super) learn_sigma: bool,
}

impl Shapes {
    /// # Errors
    /// [`TensorError`] where a tensor that shows a size is missing, or no model has its shape.
    pub(super) fn of(tensors: &Tensors<'_>, names: Names) -> Result<Self, TensorError> {
        let wrong = |name: &str, shape: &[usize], is: &str| Err(TensorError(format!("`{name}` is {shape:?}, {is}")));
        let name = names.first("x_embedder.proj.weight");
        let shape @ [width, channels, patch, height] = tensors.shape(&name)?;
        if patch != height {
            return wrong(&name, &shape, "no square patch");
        }
        let name = names.first("y_embedder.embedding_table.weight");
        let shape @ [rows, _] = tensors.shape(&name)?;
        if rows < 2 {
            return wrong(&name, &shape, "expected a row for each class and one for none");
        }
        let name = names.first("final_layer.linear.weight");
        let shape @ [rows_out, _] = tensors.shape(&name)?;
        let patch_size = patch * patch * channels;
        if rows_out != patch_size && rows_out != 2 * patch_size {
            let is = format!("expected {patch_size} rows, or twice as many with learn_sigma");
            return wrong(&name, &shape, &is);
        }
        let side = if tensors.has(names.positions()) {
            let shape @ [one, tokens, _] = tensors.shape(names.positions())?;
            if one != 1 || tokens.isqrt().pow(2) != tokens {
                return wrong(names.positions(), &shape, "expected one square of tokens");
            }
            Some(tokens.isqrt() * patch)
        } else {
            None
        };
        let all = tensors.names();
        let blocks: HashSet<&str> =
            all.iter().filter_map(|name| Some(name.strip_prefix(names.block())?.split_once('.')?.0)).collect();
        let depth = (0..blocks.len()).take_while(|block| blocks.contains(block.to_string().as_str())).count();
        Ok(Self { channels, patch, width, depth, classes: rows - 1, side, learn_sigma: rows_out == 2 * patch_size })
    }
}

/// Puts together what the shapes tell, what is stored and what the user says. All who say something must
/// say the same.
pub(super) struct Sources<'a> {
    /// The file, for messages.
    pub(super) name: &'a str,
    pub(super) names: Names,
    pub(super) shapes: &'a Shapes,
    /// The configuration in the metadata, in files that this project wrote.
    pub(super) stored: Option<Config>,
    pub(super) json: Option<&'a DiffusersConfig>,
    pub(super) unsaid: &'a Unsaid<'a>,
}

impl Sources<'_> {
    /// # Errors
    /// [`InterchangeError`] where something is unsaid or contradicted, and where the sizes are no model.
    pub(super) fn config(&self) -> Result<Config, InterchangeError> {
        let Self { shapes, json, unsaid, .. } = self;
        let stored = |value: fn(&Config) -> usize| (METADATA, self.stored.as_ref().map(value));
        let from_json = |value: fn(&DiffusersConfig) -> usize| (JSON, json.map(value));
        // What the shapes tell needs nobody else, but nobody may disagree.
        let told = |what, shape: usize, stored, from_json| -> Result<usize, InterchangeError> {
            self.agree(what, [(SHAPES, Some(shape)), stored, from_json])?;
            Ok(shape)
        };
        let width = told("the width", shapes.width, stored(|c| c.width), from_json(DiffusersConfig::width))?;
        let depth = told("the number of blocks", shapes.depth, stored(|c| c.depth), from_json(|c| c.num_layers))?;
        let patch = told("the patch", shapes.patch, stored(|c| c.patch), from_json(|c| c.patch_size))?;
        let channels =
            told("the number of channels", shapes.channels, stored(|c| c.channels), from_json(|c| c.in_channels))?;
        let classes = (JSON, json.and_then(|json| json.num_embeds_ada_norm));
        let classes = told("the number of classes", shapes.classes, stored(|c| c.classes), classes)?;
        let out = if shapes.learn_sigma { 2 * channels } else { channels };
        told("the channels of the last Linear", out, (METADATA, None), from_json(DiffusersConfig::channels_out))?;

        let heads = [stored(|c| c.heads), from_json(|c| c.num_attention_heads), ("--heads", unsaid.heads)];
        let heads = self.needed("how many heads it has", heads, || {
            format!(
                "--heads, a divisor of its width of {width} (published DiT and SiT have 6 for a width of 384, 12 for \
                 768, and 16 for 1024 and 1152)"
            )
        })?;
        let side = [
            ("its position embedding", shapes.side),
            stored(|c| c.side),
            from_json(|c| c.sample_size),
            ("--side", unsaid.side),
        ];
        let side = self.needed("how large its images are", side, || "--side, in pixels or latent elements".into())?;
        let time_scale = [(METADATA, self.stored.map(|c| c.time_scale)), ("--time-scale", unsaid.time_scale)];
        let time_scale = self.needed("how its times are scaled", time_scale, || {
            "--time-scale, what t in [0, 1] is multiplied with: 1 for SiT's weights, 1000 for those of steps up to 1000"
                .into()
        })?;
        let path = [(METADATA, self.stored.map(|c| c.path)), ("--path", unsaid.path)];
        let path = self.agree("the path", path)?.unwrap_or_default();
        let variant = self.variant()?;
        let config = Config { side, channels, patch, width, depth, heads, classes, time_scale, path, variant };
        config.validate().map_err(|error| InterchangeError::Config { name: self.name.into(), error })?;
        Ok(config)
    }

    /// What the class computes that the names are of, unless the file or the user says otherwise.
    fn variant(&self) -> Result<Variant, InterchangeError> {
        let class = match self.names {
            Names::Dit => Variant::DIT,
            Names::Diffusers => Variant::DIFFUSERS,
        };
        let stored = self.stored.map(|config| config.variant);
        let epsilon = [(METADATA, stored.map(|v| v.mlp_epsilon)), (JSON, self.json.map(|json| json.norm_eps))];
        let steps = [(METADATA, stored.map(|v| v.frequency_steps)), ("--frequency-steps", self.unsaid.frequency_steps)];
        Ok(Variant {
            mlp_epsilon: self.agree("the epsilon before the MLP", epsilon)?.unwrap_or(class.mlp_epsilon),
            frequency_steps: self.agree("the steps of the frequencies", steps)?.unwrap_or(class.frequency_steps),
        })
    }

    fn needed<T: Copy + PartialEq + Display, const N: usize>(
        &self,
        what: &'static str,
        known: [(&'static str, Option<T>); N],
        hint: impl FnOnce() -> String,
    ) -> Result<T, InterchangeError> {
        let name = self.name.to_owned();
        self.agree(what, known)?.ok_or_else(|| InterchangeError::Unsaid { name, what, hint: hint() })
    }

    /// The one value of all who know it.
    fn agree<T: Copy + PartialEq + Display, const N: usize>(
        &self,
        what: &'static str,
        known: [(&'static str, Option<T>); N],
    ) -> Result<Option<T>, InterchangeError> {
        let mut said = known.into_iter().filter_map(|(by, value)| Some((by, value?)));
        let Some((by, one)) = said.next() else { return Ok(None) };
        match said.find(|(_, other)| *other != one) {
            None => Ok(Some(one)),
            Some((by_other, other)) => Err(InterchangeError::Contradiction {
                name: self.name.into(),
                what,
                one: one.to_string(),
                by,
                other: other.to_string(),
                by_other,
            }),
        }
    }
}

/// Who says a size, in messages.
const SHAPES: &str = "its shapes";
const METADATA: &str = "its metadata";
const JSON: &str = "its config.json";
