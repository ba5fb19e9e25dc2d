//! The weights: those of a file, or those that come with the program.

use std::path::Path;

use anyhow::{Context, bail};
use dit::{Config, Weights, WeightsError};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

/// Embedded, so that the program works from anywhere and alone.
const BUILT_IN: &[u8] = include_bytes!("../../../weights/mnist.safetensors");
const BUILT_IN_NAME: &str = "the built-in MNIST weights";
/// What the trainer calls the weights of a run.
const WEIGHTS: &str = "weights.safetensors";

/// A model to draw with.
#[derive(Debug)]
pub struct Model {
    /// What it is made of.
    pub weights: Weights,
    /// The file it is of, or that it is built in.
    pub name: String,
    /// The SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
}

/// The model of the file, or the built-in one.
///
/// # Errors
/// As [`Weights::load`]; also where the file is a run's checkpoint.
pub fn load(path: Option<&Path>) -> anyhow::Result<Model> {
    let Some(path) = path else { return Ok(from_bytes(BUILT_IN, BUILT_IN_NAME.into())?) };
    let name = path.display().to_string();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read --weights {name}"))?;
    if is_checkpoint(&bytes) {
        bail!("{name} is a checkpoint, which only the trainer can use; take {WEIGHTS} from the same folder");
    }
    Ok(from_bytes(&bytes, name)?)
}

/// Whether a file is what the trainer resumes a run with: the optimiser's moments are in no other.
fn is_checkpoint(bytes: &[u8]) -> bool {
    let header = SafeTensors::read_metadata(bytes);
    header.is_ok_and(|(_, header)| header.tensors().keys().any(|name| name.starts_with("first_moment/")))
}

fn from_bytes(bytes: &[u8], name: String) -> Result<Model, WeightsError> {
    let weights = Weights::from_bytes(bytes, &name)?;
    let sha256 = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Model { weights, name, sha256 })
}

/// Which weights these are, in words.
pub fn describe(name: &str, config: &Config) -> String {
    let parameters: usize = config.parameters().iter().map(|spec| spec.shape.iter().product::<usize>()).sum();
    let parameters = match parameters {
        0..1_000 => parameters.to_string(),
        1_000..1_000_000 => format!("{:.1} k", parameters as f64 / 1e3),
        _ => format!("{:.1} M", parameters as f64 / 1e6),
    };
    let Config { side, channels, classes, .. } = config;
    let colour = if *channels == 1 { String::new() } else { format!(", {channels} channels") };
    format!("{name} ({parameters} parameters, {side}×{side}{colour}, {classes} classes)")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dit::FlowPath;

    use super::*;

    #[test]
    fn the_built_in_weights_are_of_mnist() {
        let model = load(None).unwrap();
        let config = model.weights.config;
        assert_eq!(model.sha256.len(), 64);
        assert_eq!((config.side, config.channels, config.classes), (28, 1, 10));
        let words = describe(&model.name, &config);
        assert!(
            words.starts_with("the built-in MNIST weights (") && words.ends_with(" M parameters, 28×28, 10 classes)"),
            "{words}"
        );
    }

    #[test]
    fn a_file_and_its_colour_are_named() {
        let config = Config {
            side: 8,
            channels: 3,
            patch: 2,
            width: 16,
            depth: 1,
            heads: 2,
            classes: 5,
            time_scale: 1.0,
            path: FlowPath::CondOt,
            variant: dit::Variant::DIT,
        };
        let words = describe("a/b.safetensors", &config);
        assert_eq!(words, "a/b.safetensors (10.3 k parameters, 8×8, 3 channels, 5 classes)");
    }
}
