//! The images to train on.

use std::path::PathBuf;

use anyhow::ensure;
use datasets::{DataArgs, Dataset, Place, ReadOptions, Splits};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Which images a run trains on, as its checkpoint tells.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// The directory or file they came from; none for the built-in MNIST.
    pub directory: Option<PathBuf>,
    /// How they were read; older checkpoints do not have it.
    #[serde(default)]
    reading: ReadOptions,
    /// The SHA-256 of the images and the labels.
    sha256: String,
}

impl Source {
    /// The source of images that [`load`] gave for these arguments.
    pub fn new(arguments: &DataArgs, images: &Dataset) -> std::io::Result<Self> {
        let unmoved = Self { directory: None, reading: ReadOptions::default(), sha256: digest(images) };
        unmoved.moved(arguments)
    }

    /// The same images where they are now, if they have moved, and as they are read now.
    pub fn moved(&self, arguments: &DataArgs) -> std::io::Result<Self> {
        let directory = match &arguments.data {
            Some(place) => place.path().map(std::path::absolute).transpose()?,
            None => self.directory.clone(),
        };
        Ok(Self { directory, reading: arguments.reading.options(&self.reading), sha256: self.sha256.clone() })
    }

    /// Refuses images that are not those of this source.
    pub fn expect(&self, images: &Dataset) -> anyhow::Result<()> {
        let place = self.place();
        ensure!(
            digest(images) == self.sha256,
            "the run to resume began with other images than are in {place} now; name the directory that has them with --data"
        );
        Ok(())
    }

    fn place(&self) -> Place {
        self.directory.clone().map_or(Place::BuiltIn, Place::Path)
    }

    /// The keys of a configuration that reads these images, and their values in TOML.
    pub fn keys(&self) -> Vec<(&'static str, String)> {
        let text = |text: &str| toml::Value::from(text).to_string();
        let directory = self.directory.as_ref().map(|directory| ("data", text(&directory.to_string_lossy())));
        let ReadOptions { size, fit, channels, skip_unreadable, held_out, held_out_seed } = &self.reading;
        let usual = ReadOptions::default();
        let unusual = |differs: bool, key: &'static str, value: String| differs.then_some((key, value));
        let rest = [
            size.map(|size| ("image-size", size.to_string())),
            unusual(*fit != usual.fit, "image-fit", text(&fit.to_string())),
            unusual(*channels != usual.channels, "image-channels", text(&channels.to_string())),
            unusual(*skip_unreadable, "skip-unreadable", skip_unreadable.to_string()),
            unusual(*held_out != usual.held_out, "held-out", format!("{held_out:?}")),
            unusual(*held_out_seed != usual.held_out_seed, "held-out-seed", held_out_seed.to_string()),
        ];
        directory.into_iter().chain(rest.into_iter().flatten()).collect()
    }
}

/// The images that the arguments name, or, in what they do not say, those that a run began with.
pub fn load(arguments: &DataArgs, began_with: Option<&Source>) -> anyhow::Result<Splits> {
    let otherwise = began_with.map(|source| (source.place(), source.reading.clone())).unwrap_or_default();
    let place = arguments.data.as_ref().unwrap_or(&otherwise.0);
    Ok(datasets::open(place, &arguments.reading.options(&otherwise.1))?)
}

fn digest(images: &Dataset) -> String {
    let digest = Sha256::new().chain_update(images.images()).chain_update(images.labels()).finalize();
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
