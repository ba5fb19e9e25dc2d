//! A copy of the workspace to build other sources in.

use std::collections::BTreeSet;
use std::fs::{self, DirEntry};
use std::io;
use std::path::Path;

use anyhow::{Context, Result};

/// What the tests of kernels are built from.
const PARTS: &[&str] = &["Cargo.toml", "Cargo.lock", "crates", "data", "examples", "shaders", "tests", "weights"];

/// Brings the copy at `to` up to date with the repository at `from`, but for the files that `other` gives
/// another text for. Files that stay the same keep their times, so that cargo sees what changed; those that the
/// repository has no more go, unless `other` has them.
///
/// # Errors
/// Where a file cannot be read or written.
pub fn refresh(from: &Path, to: &Path, other: impl Fn(&str) -> Option<String>) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for part in PARTS {
        copy(from, to, part, &other).with_context(|| format!("copying {part} to {}", to.display()))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, part: &str, other: &impl Fn(&str) -> Option<String>) -> Result<()> {
    let (source, target) = (from.join(part), to.join(part));
    if source.is_dir() {
        fs::create_dir_all(&target)?;
        let names = names_in(&source)?;
        for name in &names {
            copy(from, to, &format!("{part}/{name}"), other)?;
        }
        for stale in names_in(&target)?.difference(&names) {
            let path = target.join(stale);
            if path.is_dir() {
                fs::remove_dir_all(path)?;
            } else if other(&format!("{part}/{stale}")).is_none() {
                fs::remove_file(path)?;
            }
        }
        return Ok(());
    }
    let content = match other(part) {
        Some(text) => text.into_bytes(),
        None => fs::read(&source)?,
    };
    write(&target, &content)?;
    Ok(())
}

/// What a folder has in it.
fn names_in(folder: &Path) -> Result<BTreeSet<String>> {
    let name =
        |entry: io::Result<DirEntry>| entry?.file_name().into_string().ok().context("a file's name is not UTF-8");
    fs::read_dir(folder)?.map(name).collect()
}

/// Writes a file unless it has this content.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::read(path) {
        Ok(there) if there == content => Ok(()),
        _ => fs::write(path, content),
    }
}
