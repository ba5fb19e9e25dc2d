//! The weights: those of a file, or those that come with the program.

use std::path::Path;

use dit::{Config, Weights, WeightsError};

/// Embedded, so that the program works from anywhere and alone.
const BUILT_IN: &[u8] = include_bytes!("../../../weights/mnist.safetensors");
const BUILT_IN_NAME: &str = "the built-in MNIST weights";

/// The weights of the file, or the built-in ones.
///
/// # Errors
/// As [`Weights::load`].
pub fn load(path: Option<&Path>) -> Result<Weights, WeightsError> {
    match path {
        Some(path) => Weights::load(path),
        None => Weights::from_bytes(BUILT_IN, BUILT_IN_NAME),
    }
}

/// Which weights these are, in words.
pub fn describe(path: Option<&Path>, config: &Config) -> String {
    let name = path.map_or(BUILT_IN_NAME.into(), |path| path.display().to_string());
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
        let config = load(None).unwrap().config;
        assert_eq!((config.side, config.channels, config.classes), (28, 1, 10));
        let words = describe(None, &config);
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
        let words = describe(Some(Path::new("a/b.safetensors")), &config);
        assert_eq!(words, "a/b.safetensors (10.3 k parameters, 8×8, 3 channels, 5 classes)");
    }
}
