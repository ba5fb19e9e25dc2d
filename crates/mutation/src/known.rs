//! The list of changes that no test can notice.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::mutant::Mutant;

/// Where the list is, from the root of the repository on.
const FILE: &str = "tests/mutation/known.toml";

/// Why a change is not noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It changes nothing that a kernel promises: left out of the count.
    Equivalent,
    /// It is wrong, but the tests' devices do not show it: a survivor.
    Unobservable,
}

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    #[serde(default)]
    known: Vec<Entry>,
}

/// Changes of a line that are not noticed, for one reason.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: Kind,
    /// From the root of the repository on.
    files: Vec<String>,
    /// The line, without indentation.
    before: String,
    /// The lines that may take its place; an empty one for nothing.
    after: Vec<String>,
    reason: String,
}

/// One change of one file.
#[derive(Clone, Debug, Serialize)]
pub struct Change {
    pub kind: Kind,
    pub file: String,
    pub before: String,
    pub after: String,
    pub reason: String,
}

impl Known {
    /// The list of the repository at `root`.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(root: &Path) -> Result<Self> {
        let text = fs::read_to_string(root.join(FILE)).context(FILE)?;
        toml::from_str(&text).context(FILE)
    }

    /// Every change that is listed.
    pub fn changes(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for Entry { kind, files, before, after, reason } in &self.known {
            for (file, after) in files.iter().flat_map(|file| after.iter().map(move |after| (file, after))) {
                let (file, before, after, reason) = (file.clone(), before.clone(), after.clone(), reason.clone());
                changes.push(Change { kind: *kind, file, before, after, reason });
            }
        }
        changes
    }
}

impl Change {
    /// Whether a mutant is this change.
    pub fn is(&self, mutant: &Mutant) -> bool {
        self.file == mutant.file && self.before == mutant.before && self.after == mutant.after
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;

    #[test]
    fn the_list_names_lines_that_there_are() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for change in Known::read(&root).unwrap().changes() {
            let text = fs::read_to_string(root.join(&change.file)).unwrap();
            assert!(text.lines().any(|line| line.trim() == change.before), "{}: {}", change.file, change.before);
            assert!(change.before != change.after && !change.reason.is_empty(), "{}: {}", change.file, change.before);
        }
    }
}
