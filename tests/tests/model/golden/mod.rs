//! What PyTorch makes of the same model (goldens/make.py): velocities and gradients, training, sampling.

mod gradients;
mod sampling;
mod training;

use dit::Weights;
use safetensors::SafeTensors;

const WEIGHTS: &[u8] = include_bytes!("../../../goldens/dit.safetensors");

/// The model that all goldens are of.
fn weights() -> Weights {
    Weights::from_bytes(WEIGHTS, "the golden").unwrap()
}

/// A file of tensors, of which some are what PyTorch was given, and others, with a threshold each, what
/// it made of that. A threshold is sixteen times what PyTorch itself is off by in f32, or more: see make.py.
pub(crate) struct Golden(SafeTensors<'static>);

impl Golden {
    pub(crate) fn new(bytes: &'static [u8]) -> Self {
        Self(SafeTensors::deserialize(bytes).unwrap())
    }

    pub(crate) fn read(&self, name: &str) -> Vec<f32> {
        let tensor = self.0.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        bytemuck::pod_collect_to_vec(tensor.data())
    }

    /// A tensor of a single element.
    pub(crate) fn number(&self, name: &str) -> f32 {
        let [value] = self.read(name)[..] else { panic!("{name} is more than a number") };
        value
    }

    pub(crate) fn integers(&self, name: &str) -> Vec<u32> {
        self.read(name).iter().map(|value| *value as u32).collect()
    }

    /// Fails where an element differs by more than the tensor's threshold.
    pub(crate) fn expect(&self, name: &str, device: &str, got: &[f32]) {
        let (want, threshold) = (self.read(name), f64::from(self.number(&format!("threshold/{name}"))));
        assert_eq!(got.len(), want.len(), "{name} on {device}");
        for (i, (got, want)) in got.iter().zip(&want).enumerate() {
            let error = (f64::from(*got) - f64::from(*want)).abs();
            assert!(
                error <= threshold,
                "{name} on {device}: element {i} is {got}, PyTorch has {want}; {error:.1e} is more than {threshold:.1e}"
            );
        }
    }
}
