//! A record of what the tests saw, for the table of docs/kernels.md.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, io, process};

use serde::{Deserialize, Serialize};

/// Names a folder; where it is set, every comparison is written to a file there.
pub const FOLDER: &str = "KERNEL_OBSERVATIONS";

/// What was compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A kernel's output, with the oracle's.
    Value,
    /// An operation's gradient, with central differences.
    Gradient,
    /// A kernel's shader, with what the tools of a shader language accept; `device` names the tool.
    Language,
}

/// One comparison that passed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// What was compared.
    pub kind: Kind,
    /// The kernel's name.
    pub kernel: String,
    /// The device, and how shaders reach it.
    pub device: String,
    /// The shape and options, as a failure would name them.
    pub case: String,
    /// How many numbers were compared.
    pub elements: usize,
    /// The largest difference as a part of the largest number expected (of 1, where all are zero or nearly).
    pub error: f64,
    /// The largest difference as a share of what the tolerance allows.
    pub share: f64,
    /// Why the tolerance is no smaller.
    pub reason: String,
}

impl Observation {
    /// Writes this observation if [`FOLDER`] is set.
    ///
    /// # Panics
    /// Where it is set and cannot be written to: a table must not miss what was seen.
    pub fn record(&self) {
        let Some(folder) = env::var_os(FOLDER) else { return };
        let folder = PathBuf::from(folder);
        self.append(&folder).unwrap_or_else(|error| panic!("{FOLDER} is {}: {error}", folder.display()));
    }

    fn append(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        // One write to a file opened for appending: lines of concurrent tests stay whole.
        let path = folder.join(format!("{}.jsonl", process::id()));
        OpenOptions::new().create(true).append(true).open(path)?.write_all(&line)
    }

    /// What was written to a folder.
    ///
    /// # Errors
    /// Where the folder or a file of it cannot be read, or is no record of observations.
    pub fn read_all(folder: &Path) -> io::Result<Vec<Self>> {
        let mut all = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                for line in fs::read_to_string(path)?.lines() {
                    all.push(serde_json::from_str(line)?);
                }
            }
        }
        Ok(all)
    }
}
