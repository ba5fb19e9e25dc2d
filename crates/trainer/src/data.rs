//! The images to train on.

use std::path::{Path, PathBuf};

use anyhow::ensure;
use datasets::{Dataset, Splits};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Which images a run trains on, as its checkpoint tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The directory they came from; none for the built-in MNIST.
    pub directory: Option<PathBuf>,
    /// The SHA-256 of the images and the labels.
    sha256: String,
}

impl Source {
    /// The source of images that were read from a directory.
    pub fn new(directory: Option<&Path>, images: &Dataset) -> std::io::Result<Self> {
        let directory = directory.map(std::path::absolute).transpose()?;
        Ok(Self { directory, sha256: digest(images) })
    }

    /// The same images where they are now, if they have moved.
    pub fn moved(&self, directory: Option<&Path>) -> std::io::Result<Self> {
        let directory = directory.map(std::path::absolute).transpose()?;
        Ok(Self { directory: directory.or_else(|| self.directory.clone()), ..self.clone() })
    }

    /// Refuses images that are not those of this source.
    pub fn expect(&self, images: &Dataset) -> anyhow::Result<()> {
        let place = self.directory.as_deref().map_or("the program".into(), Path::to_string_lossy);
        ensure!(
            digest(images) == self.sha256,
            "the run to resume began with other images than are in {place} now; name the directory that has them with --data"
        );
        Ok(())
    }
}

/// The IDX files of a directory, or the built-in MNIST.
pub fn load(directory: Option<&Path>) -> anyhow::Result<Splits> {
    Ok(match directory {
        Some(directory) => datasets::idx_directory(directory)?,
        None => datasets::mnist()?,
    })
}

fn digest(images: &Dataset) -> String {
    let digest = Sha256::new().chain_update(images.images()).chain_update(images.labels()).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
