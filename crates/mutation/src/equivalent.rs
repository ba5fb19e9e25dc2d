//! The list of changes that change nothing.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::mutant::Mutant;

/// Where the list is, from the root of the repository on.
pub const FILE: &str = "tests/mutation/equivalent.toml";

/// Changes that change nothing, each with its reason.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivalents {
    /// In the order of the file.
    #[serde(default)]
    pub equivalent: Vec<Equivalent>,
}

/// A change of a line that changes nothing that a kernel promises.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivalent {
    /// The file, from the root of the repository on.
    pub file: String,
    /// The line, without indentation.
    pub before: String,
    /// The lines that may take its place.
    pub after: Vec<String>,
    /// Why no test can tell them apart.
    pub reason: String,
}

impl Equivalents {
    /// Those of the repository at `root`.
    ///
    /// # Errors
    /// Where the list cannot be read.
    pub fn read(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(FILE)).context(FILE)?;
        toml::from_str(&text).context(FILE)
    }

    /// Why a mutant changes nothing, if it is listed.
    pub fn reason(&self, mutant: &Mutant) -> Option<String> {
        let mut listed = self.changes().filter(|(listed, after)| listed.is(after, mutant));
        listed.next().map(|(listed, _)| listed.reason.clone())
    }

    /// Every listed change: its place in the list, and the line after.
    pub fn changes(&self) -> impl Iterator<Item = (&Equivalent, &str)> {
        self.equivalent.iter().flat_map(|listed| listed.after.iter().map(move |after| (listed, after.as_str())))
    }
}

impl Equivalent {
    /// Whether a mutant is this change.
    pub fn is(&self, after: &str, mutant: &Mutant) -> bool {
        self.file == mutant.file && self.before == mutant.before && after == mutant.after
    }
}
