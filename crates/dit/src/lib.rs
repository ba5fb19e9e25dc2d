//! The diffusion transformer with adaLN-Zero (Peebles and Xie, DiT, 2212.09748), under the names,
//! shapes and initialisation that the field's weights have, so that PyTorch's DiT and SiT load
//! what is trained here.

mod config;
mod initial;
mod model;
mod positions;
mod weights;

pub use config::{Config, ConfigError};
pub use kernels::FlowPath;
pub use model::{Dit, Input};
pub use positions::sine_cosine;
pub use weights::{TensorError, Weights, WeightsError, read_tensor};
