//! The digits that are evaluated: drawn, or read.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use bytemuck::pod_collect_to_vec;
use dit::{Dit, Weights, read_tensor};
use flow::sample;
use programs::{steps_bar, to_byte};
use runtime::Stream;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;

use crate::args::Drawing;

/// The side of MNIST's images, and the number of its classes.
pub const SIDE: usize = 28;
/// Pixels of an image.
pub const SIZE: usize = SIDE * SIDE;
/// Classes.
pub const CLASSES: usize = 10;

/// Digits with the labels that were asked for; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples {
    /// (N, 28, 28) of 0 to 255.
    pub images: Vec<u8>,
    /// (N), each below 10.
    pub labels: Vec<u8>,
}

impl Samples {
    /// The number of digits of each class.
    pub fn counts(&self) -> [usize; CLASSES] {
        std::array::from_fn(|class| self.labels.iter().filter(|label| usize::from(**label) == class).count())
    }
}

/// Weights of a model of MNIST.
///
/// # Errors
/// As [`Weights::load`], and where the model draws something else.
pub fn load_weights(path: &Path) -> Result<Weights> {
    let weights = Weights::load(path)?;
    let config = &weights.config;
    ensure!(
        (config.side, config.channels, config.classes) == (SIDE, 1, CLASSES),
        "{} draws images of {}×{} with {} channels in {} classes; only digits can be evaluated: 28×28, 1 channel, \
         10 classes",
        path.display(),
        config.side,
        config.side,
        config.channels,
        config.classes
    );
    Ok(weights)
}

/// Draws `count` of each digit.
///
/// # Errors
/// What the device reports, and images that are no numbers.
pub fn draw(stream: &mut Stream, model: &Dit, drawing: &Drawing) -> Result<Samples> {
    let labels: Vec<u8> = (0..CLASSES as u8).flat_map(|label| vec![label; usize::from(drawing.count)]).collect();
    let batch = if stream.device().is_hardware_gpu() { 250 } else { 25 };
    let options = drawing.flow.options(drawing.guidance, drawing.seed, batch);
    let wide: Vec<u32> = labels.iter().map(|label| u32::from(*label)).collect();
    let batches = wide.len().div_ceil(batch);
    let bar = steps_bar(batches * options.steps);
    let values = sample(stream, model, &wide, &options, |step| bar.set_position(step as u64))?;
    bar.finish_and_clear();
    ensure!(
        values.iter().all(|value| value.is_finite()),
        "guidance {} gave images that are no finite numbers; lower --guidance",
        drawing.guidance
    );
    Ok(Samples { images: quantised(&values), labels })
}

/// Reads digits as the sampler writes them.
///
/// # Errors
/// A sentence that names the file, and what in it is not as it should be.
pub fn read(path: &Path) -> Result<Samples> {
    let name = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {name}"))?;
    let tensors =
        SafeTensors::deserialize(&bytes).with_context(|| format!("{name} is no complete safetensors file"))?;
    let labels = read_labels(&tensors, "labels", CLASSES - 1).with_context(|| name.to_string())?;
    let shape = [labels.len(), 1, SIDE, SIDE];
    let images = read_tensor(&tensors, "images", &shape).with_context(|| format!("{name} cannot be evaluated"))?;
    // No label is above 9.
    Ok(Samples { images: quantised(&images), labels: labels.into_iter().map(|label| label as u8).collect() })
}

/// The labels in a tensor (N) of I64: at least one, each from 0 to `greatest`.
///
/// # Errors
/// A sentence that names the tensor, and what of it is not so.
pub fn read_labels(tensors: &SafeTensors<'_>, tensor: &str, greatest: usize) -> Result<Vec<u32>> {
    let view = tensors.tensor(tensor).ok().filter(|view| view.dtype() == Dtype::I64 && view.shape().len() == 1);
    let view = view.with_context(|| format!("there is no `{tensor}` (N) of I64"))?;
    let labels: Vec<i64> = pod_collect_to_vec(view.data());
    ensure!(!labels.is_empty(), "`{tensor}` is empty");
    let label = |(index, label): (usize, i64)| {
        let fitting = u32::try_from(label).ok().filter(|label| *label as usize <= greatest);
        fitting.with_context(|| format!("`{tensor}` has {label} at element {index}, not 0 to {greatest}"))
    };
    labels.into_iter().enumerate().map(label).collect()
}

/// Values in [−1, 1] as a picture's bytes.
fn quantised(values: &[f32]) -> Vec<u8> {
    values.iter().copied().map(to_byte).collect()
}
