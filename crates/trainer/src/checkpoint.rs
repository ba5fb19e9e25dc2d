//! Checkpoints: everything that resuming needs, in one safetensors file that is replaced whole.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, anyhow, bail};
use flow::Training;
use runtime::{Buffer, Stream};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::settings::Settings;

/// The metadata entry that holds the [`Run`]. There is only one, because the library writes several
/// in random order, and the same state is to be the same file.
const RUN: &str = "run";

/// What to do after values that are not finite.
pub const AFTER_DIVERGENCE: &str = "lower --lr, or undo other unusual settings";

/// What a checkpoint says besides tensors.
#[derive(Serialize, Deserialize)]
struct Run {
    settings: Settings,
    steps: u32,
}

/// A checkpoint on the host.
pub struct Checkpoint {
    /// The settings of the run.
    pub settings: Settings,
    /// Steps taken.
    pub steps: u32,
    arenas: Vec<Vec<Vec<f32>>>,
}

/// The prefixes of the names of the tensors that make the state of a run, one for each arena.
const ARENAS: [&str; 4] = ["parameters", "average", "first_moment", "second_moment"];

/// The arenas in the order of [`ARENAS`].
fn arenas(training: &Training) -> [&Buffer; 4] {
    let optimizer = &training.optimizer;
    [training.model.parameters().arena(), &optimizer.average, &optimizer.first, &optimizer.second]
}

/// Writes the state of a run. A state that is not finite is refused, so that it never replaces a good one.
pub fn save(stream: &mut Stream, training: &Training, settings: &Settings, path: &Path) -> anyhow::Result<()> {
    let parameters = training.model.parameters();
    let mut tensors = Vec::new();
    for (prefix, arena) in ARENAS.iter().zip(arenas(training)) {
        for (spec, values) in parameters.specs().iter().zip(parameters.read(stream, arena)?) {
            if !values.iter().all(|value| value.is_finite()) {
                bail!(
                    "training diverged: {} has values that are not finite, so no checkpoint was written; {AFTER_DIVERGENCE}",
                    spec.name
                );
            }
            let bytes: Vec<u8> = bytemuck::cast_slice(&values).to_vec();
            tensors.push((format!("{prefix}/{}", spec.name), spec.shape.clone(), bytes));
        }
    }
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| Ok((name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()?;
    let run = Run { settings: settings.clone(), steps: training.optimizer.steps };
    let metadata = HashMap::from([(RUN.to_owned(), serde_json::to_string(&run)?)]);
    let bytes = safetensors::serialize(views, Some(metadata))?;
    Ok(programs::write_atomically(path, |file| file.write_all(&bytes))?)
}

/// Writes the averaged weights, for the sampler.
pub fn save_weights(stream: &mut Stream, training: &Training, path: &Path) -> anyhow::Result<()> {
    let bytes = training.averaged_model().weights(stream)?.to_bytes()?;
    Ok(programs::write_atomically(path, |file| file.write_all(&bytes))?)
}

impl Checkpoint {
    /// Reads and checks the checkpoint of a run.
    pub fn load(folder: &Folder) -> anyhow::Result<Self> {
        let path = folder.checkpoint();
        let bytes = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).map_err(|error| {
            let weights = folder.weights();
            anyhow!(
                "{} is no usable checkpoint ({error:#}); put a copy of it back, or begin another run with its last \
                 weights: --from {} in the place of --resume",
                path.display(),
                weights.display()
            )
        })
    }

    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let tensors = SafeTensors::deserialize(bytes)?;
        let entry = metadata.metadata().as_ref().and_then(|entries| entries.get(RUN));
        let entry = entry.ok_or_else(|| anyhow!("its metadata has no entry `{RUN}`"))?;
        let Run { settings, steps } = serde_json::from_str(entry)?;
        settings.model.validate()?;
        let specs = settings.model.parameters();
        let arena = |prefix: &&str| {
            let tensor = |name: &str| format!("{prefix}/{name}");
            let values = specs.iter().map(|spec| dit::read_tensor(&tensors, &tensor(&spec.name), &spec.shape));
            values.collect::<Result<Vec<_>, _>>()
        };
        let arenas = ARENAS.iter().map(arena).collect::<Result<_, _>>()?;
        Ok(Self { settings, steps, arenas })
    }

    /// Puts a run into the state of this checkpoint.
    pub fn restore(&self, stream: &mut Stream, training: &mut Training) -> anyhow::Result<()> {
        for (arena, values) in arenas(training).into_iter().zip(&self.arenas) {
            training.model.parameters().write(stream, arena, values)?;
        }
        training.optimizer.steps = self.steps;
        Ok(())
    }
}
