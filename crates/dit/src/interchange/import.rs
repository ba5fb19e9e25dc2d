//! Reading.

use super::diffusers::DiffusersConfig;
use super::names::Place;
use super::sizes::{Shapes, Sources};
use super::tensors::{Tensors, list};
use super::{Imported, InterchangeError, Layout, Names, Unsaid, sigma};
use crate::weights::{self, Weights};
use crate::{Config, TensorError, positions};

/// What no file says, for files that this project did not write.
const PREDICTION: &str = "no file says what its network predicts: here it is taken for a velocity, with noise at t = 0 and \
                          data at 1, as in SiT; facebookresearch's DiT and its port in diffusers predict noise, and the \
                          sampler draws no images with such weights";

impl Weights {
    /// Weights from the bytes of a safetensors file in any [`Layout`]; `name` is for error messages.
    ///
    /// Sizes come from the shapes, from `config.json`, from the metadata that [`Weights::export`] leaves, and from
    /// `unsaid`. A variance ([`Layout::learn_sigma`]) is dropped. 16-bit tensors become f32.
    ///
    /// # Errors
    /// [`InterchangeError`]: among others for tensors that are missing, left over or not finite, and where something
    /// stays unsaid.
    pub fn import(bytes: &[u8], name: &str, unsaid: &Unsaid<'_>) -> Result<Imported, InterchangeError> {
        let (stored, tensors) = weights::open(bytes, name)?;
        let mut tensors = Tensors::new(tensors);
        let names = unsaid.names.or_else(|| Names::detect(tensors.names().into_iter()));
        let Some(names) = names else {
            let found = list(tensors.names().into_iter());
            return Err(InterchangeError::Unknown { name: name.into(), found });
        };
        let json = match unsaid.config_json {
            Some(text) if names == Names::Diffusers => Some(DiffusersConfig::parse(text)),
            _ => None,
        };
        let json = json.transpose().map_err(|reason| InterchangeError::ConfigJson { name: name.into(), reason })?;

        let wrong = |error| InterchangeError::Tensor { name: name.into(), names, error };
        let shapes = Shapes::of(&tensors, names).map_err(wrong)?;
        let config = Sources { name, names, shapes: &shapes, stored, json: json.as_ref(), unsaid }.config()?;
        let layout = Layout { names, learn_sigma: shapes.learn_sigma };

        let mut values = Vec::new();
        for spec in config.parameters() {
            let last = spec.name.starts_with("final_layer.linear.");
            let mut shape = spec.shape;
            if last && layout.learn_sigma {
                shape[0] *= 2;
            }
            let found = read(&mut tensors, &names.place(&spec.name, config.depth), &shape);
            let found = found.map_err(|fault| match fault {
                Fault::Tensor(error) => wrong(error),
                Fault::Copies { one, other } => InterchangeError::Copies { name: name.into(), one, other },
            })?;
            let row = shape[1..].iter().product();
            values.push(if last && layout.learn_sigma { sigma::without(&found, config.channels, row) } else { found });
        }
        let positions = read_positions(&mut tensors, names, &config).map_err(wrong)?;
        if let Some(found) = tensors.unread() {
            return Err(InterchangeError::Surplus { name: name.into(), names, found });
        }
        let notes = if stored.is_none() { vec![PREDICTION.into()] } else { Vec::new() };
        Ok(Imported { weights: Self { config, values, positions }, layout, notes })
    }
}

/// What can be wrong with the tensors of a parameter.
enum Fault {
    Tensor(TensorError),
    Copies { one: String, other: String },
}

/// The elements of a parameter; `shape` is that of all its parts together.
fn read(tensors: &mut Tensors<'_>, place: &Place, shape: &[usize]) -> Result<Vec<f32>, Fault> {
    match place {
        Place::Parts(names) => {
            let part = [&[shape[0] / names.len()], &shape[1..]].concat();
            let parts = names.iter().map(|name| tensors.read(name, &part)).collect::<Result<Vec<_>, _>>();
            let mut parts = parts.map_err(Fault::Tensor)?;
            // Most parameters are of one part, and large: no copy of them.
            Ok(if parts.len() == 1 { parts.swap_remove(0) } else { parts.concat() })
        }
        Place::Copies(names) => {
            let mut first: Option<(&String, Vec<f32>)> = None;
            for name in names {
                let values = tensors.read(name, shape).map_err(Fault::Tensor)?;
                match &first {
                    None => first = Some((name, values)),
                    Some((one, expected)) if *expected != values => {
                        return Err(Fault::Copies { one: (*one).clone(), other: name.clone() });
                    }
                    Some(_) => {}
                }
            }
            Ok(first.map(|(_, values)| values).unwrap_or_default())
        }
    }
}

fn read_positions(tensors: &mut Tensors<'_>, names: Names, config: &Config) -> Result<Vec<f32>, TensorError> {
    if tensors.has(names.positions()) {
        tensors.read(names.positions(), &[1, config.tokens(), config.width])
    } else {
        Ok(positions::sine_cosine(config.side / config.patch, config.width))
    }
}
