//! The images to train on.

use std::path::Path;

use datasets::{DatasetError, Splits};

/// The IDX files of a directory, or the built-in MNIST.
pub fn load(directory: Option<&Path>) -> Result<Splits, DatasetError> {
    match directory {
        Some(directory) => datasets::idx_directory(directory),
        None => datasets::mnist(),
    }
}
