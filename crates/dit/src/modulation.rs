//! The Linears of adaLN: all are given the same, so that neighbours in the arena are one product.

use autograd::{Activation, Parameters, Tape, Variable};
use runtime::{Device, Result};

use crate::model::Linear;

/// The Linears of adaLN, in as few products as a device can make them.
#[derive(Clone, Debug)]
pub(crate) struct Modulations {
    products: Vec<Linear>,
    /// Of each Linear the product that makes it, and the first of its columns there.
    places: Vec<(usize, usize)>,
}

/// What modulates a block, or the final layer.
#[derive(Clone, Debug)]
pub(crate) struct Modulation {
    /// (B, columns): that of others too.
    pub(crate) value: Variable,
    /// The first of its columns.
    pub(crate) column: usize,
}

impl Modulations {
    /// The Linears in the order of their arena.
    pub(crate) fn new(device: &Device, parameters: &Parameters, linears: impl IntoIterator<Item = Linear>) -> Self {
        let mut all = Self { products: Vec::new(), places: Vec::new() };
        for next in linears {
            let joined = all.products.last().and_then(|last| join(device, parameters, *last, next));
            let column = match (joined, all.products.last_mut()) {
                (Some(joined), Some(last)) => {
                    let column = parameters.rows(last[0]);
                    *last = joined;
                    column
                }
                _ => {
                    all.products.push(next);
                    0
                }
            };
            all.places.push((all.products.len() - 1, column));
        }
        all
    }

    /// What each Linear makes of the condition, (B, D).
    ///
    /// # Errors
    /// What the device reports.
    pub(crate) fn forward(&self, tape: &mut Tape<'_>, condition: &Variable) -> Result<Vec<Modulation>> {
        let make = |product: &Linear| tape.linear(condition, *product, Activation::Identity);
        let values = self.products.iter().map(make).collect::<Result<Vec<_>>>()?;
        let part = |&(product, column): &(usize, usize)| Modulation { value: values[product].clone(), column };
        Ok(self.places.iter().map(part).collect())
    }
}

/// Two Linears as one, where they are neighbours and not too large together for a kernel.
fn join(device: &Device, parameters: &Parameters, first: Linear, second: Linear) -> Option<Linear> {
    let [weight, bias] = [0, 1].map(|part| parameters.joined(first[part], second[part]));
    let (weight, bias) = (weight?, bias?);
    device.is_bindable(&parameters.value(weight)).then_some([weight, bias])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use runtime::DeviceOptions;

    use super::*;
    use crate::config::Variant;
    use crate::{Config, FlowPath, initial};

    fn modulations(width: usize) -> Modulations {
        let (side, channels, patch, depth, heads, classes, time_scale) = (8, 1, 4, 2, 2, 3, 1.0);
        let (path, variant) = (FlowPath::CondOt, Variant::DIT);
        let config = Config { side, channels, patch, width, depth, heads, classes, time_scale, path, variant };
        let mut stream = Device::open(&DeviceOptions::cpu()).unwrap().stream().unwrap();
        let values = initial::initial_values(&config, 0);
        let parameters = Parameters::new(&mut stream, config.parameters(), &values).unwrap();
        let linear = |name| ["weight", "bias"].map(|part| parameters.named(&format!("{name}.{part}")));
        Modulations::new(stream.device(), &parameters, config.modulations().map(|(name, _)| linear(name)))
    }

    #[test]
    fn neighbours_are_one_product_where_there_is_no_room_between_them() {
        let joined = modulations(32);
        assert_eq!(joined.products.len(), 1);
        assert_eq!(joined.places, [(0, 0), (0, 192), (0, 384)]);
        // 6 · 8 columns are no multiple of 64: the biases are apart.
        let apart = modulations(8);
        assert_eq!(apart.products.len(), 3);
        assert_eq!(apart.places, [(0, 0), (1, 0), (2, 0)]);
    }
}
