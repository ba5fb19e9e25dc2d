//! The note in a picture's file: all that determines the picture.

use std::path::Path;

use anyhow::{Context, bail};
use programs::read_note;
use runtime::Device;
use serde::{Deserialize, Serialize};

use crate::model::Model;
use crate::settings::Settings;

/// Under which name the note is in a PNG file.
pub const KEYWORD: &str = "sampler";

/// How a picture was drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The program and its version.
    pub program: String,
    /// The model's weights.
    pub weights: WeightsNote,
    /// What it was drawn on: the CPU, or an adapter.
    pub device: String,
    /// Whether the picture is of images or of the way to them.
    pub shows: Shows,
    /// The flags that shape it.
    pub settings: Settings,
}

/// Which weights.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WeightsNote {
    /// What they were called.
    pub name: String,
    /// The SHA-256 of their file, in hexadecimal digits.
    pub sha256: String,
}

/// What a picture is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shows {
    /// Images.
    Images,
    /// The way from noise to images.
    Trajectory,
}

impl Note {
    /// The note of a picture that is drawn now.
    pub fn new(model: &Model, device: &Device, shows: Shows, settings: &Settings) -> Self {
        Self {
            program: program(),
            weights: WeightsNote { name: model.name.clone(), sha256: model.sha256.clone() },
            // Not how many threads it has, which changes nothing.
            device: device.adapter().map_or_else(|| "CPU".into(), ToString::to_string),
            shows,
            settings: settings.clone(),
        }
    }

    /// The note of a picture that this program wrote.
    ///
    /// # Errors
    /// As [`read_note`], and where the note is of another form.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = read_note(path, KEYWORD)?;
        serde_json::from_str(&text).with_context(|| {
            format!(
                "the note in {} is none that this version can read; draw with the version that wrote it",
                path.display()
            )
        })
    }

    /// As it is written.
    ///
    /// # Errors
    /// None that are known.
    pub fn text(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// What sets a picture drawn with `model` apart from the one at `path`, which has this note: sentences for
    /// the user. Other weights have to be `given`.
    ///
    /// # Errors
    /// Where weights were not given and are not those of the note.
    pub fn remarks(&self, path: &Path, model: &Model, given: bool) -> anyhow::Result<Vec<String>> {
        let path = path.display();
        let WeightsNote { name, sha256 } = &self.weights;
        let mut remarks = Vec::new();
        if *sha256 != model.sha256 {
            // Whatever a file holds there.
            let start: String = sha256.chars().take(12).collect();
            if !given {
                bail!(
                    "{path} was drawn with other weights than {}: {name}, whose SHA-256 begins {start}; \
                     give that file with --weights",
                    model.name
                );
            }
            remarks.push(format!(
                "{path} was drawn with other weights, {name}, whose SHA-256 begins {start}: this will be another picture"
            ));
        }
        if self.program != program() {
            remarks.push(format!(
                "{path} was drawn by {}; this is {}, which may draw otherwise",
                self.program,
                program()
            ));
        }
        Ok(remarks)
    }
}

fn program() -> String {
    concat!("sampler ", env!("CARGO_PKG_VERSION")).into()
}
