//! Builds tests: the repository's own, and those with every mutant of the CPU bodies in them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::workspace::{refresh, write};
use super::{Rewritten, SOURCES, Sources, rewrite};

/// What the rewritten sources ask for the number of the mutant.
const CHOICE: &str = include_str!("mutant.rs.in");
/// What precedes a function and, as its first argument, a mutant's number in the rewritten sources.
const MARK: &str = "crate::mutant::";

/// Built tests.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The oracle tests of the kernels, and the folder they run in.
    pub oracle: (PathBuf, PathBuf),
    /// The unit tests of `kernels`, and the folder they run in.
    pub unit: (PathBuf, PathBuf),
}

/// Builds the repository's own tests.
///
/// # Errors
/// Where they do not build.
pub fn build_own(root: &Path) -> Result<Binaries> {
    match cargo(root, None)? {
        Built::Binaries(binaries) => Ok(binaries),
        Built::Errors(errors) => bail!("the tests do not build:\n{}", rendered(&errors)),
    }
}

/// Builds the tests with every mutant of the CPU bodies in them, but for those that do not build.
/// Also says how many these are.
///
/// # Errors
/// Where the tests do not build for a reason that no mutant explains.
pub fn build(root: &Path, sources: &Sources) -> Result<(Rewritten, Binaries, usize)> {
    let folder = root.join("target/mutation");
    let workspace = folder.join("workspace");
    let mut dropped = BTreeSet::new();
    loop {
        let rewritten = rewrite(sources, &dropped)?;
        let [library, choice] = ["lib.rs", "mutant.rs"].map(|name| format!("{SOURCES}/{name}"));
        refresh(root, &workspace, |file| match rewritten.files.get(file) {
            None if file == library => Some(format!("{}\nmod mutant;\n", sources.files[file].text)),
            None if file == choice => Some(CHOICE.to_owned()),
            rewritten => rewritten.cloned(),
        })?;
        write(&workspace.join(&choice), CHOICE.as_bytes())?;
        let errors = match cargo(&workspace, Some(&folder.join("build")))? {
            Built::Binaries(binaries) => return Ok((rewritten, binaries, dropped.len())),
            Built::Errors(errors) => errors,
        };
        let before = dropped.len();
        dropped.extend(errors.iter().filter_map(|error| error.mutant(&workspace)));
        if dropped.len() == before {
            bail!("the CPU bodies with their mutants do not build:\n{}", rendered(&errors));
        }
    }
}

enum Built {
    Binaries(Binaries),
    Errors(Vec<Diagnostic>),
}

fn cargo(workspace: &Path, target: Option<&Path>) -> Result<Built> {
    // Where everybody builds, what they have built is used, which has the features of the whole workspace.
    let packages: &[&str] =
        if target.is_some() { &["--package", "tests", "--package", "kernels"] } else { &["--workspace"] };
    let mut command = Command::new(env!("CARGO"));
    command.args(["test", "--quiet", "--lib", "--test", "kernels"]).args(packages);
    command.args(["--no-run", "--message-format", "json"]).current_dir(workspace).stderr(Stdio::null());
    if let Some(target) = target {
        command.env("CARGO_TARGET_DIR", target);
    }
    let output = command.output().context("cargo does not start")?;
    let lines = String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?;
    let (mut oracle, mut unit, mut errors) = (None, None, Vec::new());
    for line in lines.lines() {
        // Other messages have other fields.
        let Ok(message) = serde_json::from_str::<Message>(line) else { continue };
        errors.extend(message.message.filter(|diagnostic| diagnostic.level == "error"));
        if let (Some(binary), Some(target), Some(manifest)) =
            (message.executable, message.target, message.manifest_path)
        {
            let place = (binary, manifest.parent().context("a manifest without a folder")?.to_owned());
            match (target.name.as_str(), target.kind.first().map(String::as_str)) {
                ("kernels", Some("test")) => oracle = Some(place),
                ("kernels", Some("lib")) => unit = Some(place),
                _ => {}
            }
        }
    }
    match (oracle, unit) {
        (Some(oracle), Some(unit)) if output.status.success() => Ok(Built::Binaries(Binaries { oracle, unit })),
        _ if errors.is_empty() => bail!("cargo built no tests of kernels"),
        _ => Ok(Built::Errors(errors)),
    }
}

/// A line of what cargo says.
#[derive(Deserialize)]
struct Message {
    message: Option<Diagnostic>,
    executable: Option<PathBuf>,
    target: Option<Target>,
    manifest_path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
    spans: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    file_name: PathBuf,
    byte_start: usize,
    is_primary: bool,
}

impl Diagnostic {
    /// The number of the mutant that the error is about: the last one named before its place.
    fn mutant(&self, workspace: &Path) -> Option<u32> {
        let place = self.spans.iter().find(|place| place.is_primary)?;
        let text = std::fs::read_to_string(workspace.join(&place.file_name)).ok()?;
        let (_, after) = text.get(..place.byte_start)?.rsplit_once(MARK)?;
        let (_, number) = after.split_once('(')?;
        number.split(|part: char| !part.is_ascii_digit()).next()?.parse().ok()
    }
}

fn rendered(errors: &[Diagnostic]) -> String {
    errors.iter().filter_map(|error| error.rendered.as_deref()).collect::<Vec<_>>().join("\n")
}
