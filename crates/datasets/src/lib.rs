//! Labelled square images to train on.
//!
//! [`mnist`] comes embedded in the program, so a first run needs no download; [`idx_directory`] reads
//! anything published in the same file format, such as Fashion-MNIST. Both give [`Splits`]: a training
//! and a test [`Dataset`], checked on the way in so that code that holds one need not check again.

mod dataset;
mod directory;
mod error;
mod idx;
mod mnist;

pub use dataset::{Dataset, Splits};
pub use directory::idx_directory;
pub use error::DatasetError;
pub use mnist::mnist;
