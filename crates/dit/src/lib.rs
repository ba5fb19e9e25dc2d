//! The diffusion transformer with adaLN-Zero (Peebles and Xie, DiT, 2212.09748), under the names,
//! shapes and initialisation that the field's weights have, so that PyTorch's DiT and SiT load
//! what is trained here.
//!
//! [`Config`] has the sizes, [`Weights`] the numbers of a safetensors file, and [`Dit`] is the network on a
//! device: images, times and classes in, velocities out.
//!
//! ```
//! use autograd::Tape;
//! use dit::{Config, Dit, FlowPath, Input, Variant};
//! use runtime::{Device, DeviceOptions};
//!
//! let (side, channels, classes, time_scale) = (8, 1, 3, 1000.0);
//! let (path, variant) = (FlowPath::CondOt, Variant::DIT);
//! let config = Config { side, channels, patch: 4, width: 16, depth: 2, heads: 2, classes, time_scale, path, variant };
//! config.validate()?;
//! let mut stream = Device::open(&DeviceOptions::cpu())?.stream()?;
//! let model = Dit::new(&mut stream, config, 0)?; // Dit::from_weights takes those of a file
//!
//! let images = stream.upload(&[0.5f32; 2 * 64])?;
//! let (time, labels) = (stream.upload(&[0.0f32, 0.9])?, stream.upload(&[2u32, 3])?); // 3 is no class
//! let input = Input { images: &images, source_batch: 2, time: &time, labels: &labels, batch: 2 };
//! let velocity = model.forward(&mut Tape::inference(&mut stream, model.parameters()), &input)?;
//! // Its last layer begins at zero, and so does what it says.
//! assert_eq!(stream.read::<f32>(velocity.value())?, [0.0; 2 * 64]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod config;
mod initial;
mod interchange;
mod model;
mod modulation;
mod positions;
mod weights;

pub use config::{Config, ConfigError, Variant};
pub use interchange::{Exported, Imported, InterchangeError, Layout, Names, Unsaid};
pub use kernels::FlowPath;
pub use model::{Dit, Input};
pub use positions::sine_cosine;
pub use weights::{TensorError, Weights, WeightsError, read_tensor};
