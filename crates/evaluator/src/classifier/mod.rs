//! The classifier: a small vision transformer (Dosovitskiy et al., 2010.11929) over patches, in whose
//! feature space sets of images are compared.

mod model;
mod train;
mod weights;

pub use model::{Classifier, Output};
pub use train::{TrainOptions, train};
pub use weights::{Config, Weights};
