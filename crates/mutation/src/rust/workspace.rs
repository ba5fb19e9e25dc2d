//! A copy of the workspace to build other sources in.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result};

/// What the tests of kernels are built from.
const PARTS: &[&str] = &["Cargo.toml", "Cargo.lock", "crates", "data", "examples", "shaders", "tests", "weights"];

/// Brings the copy at `to` up to date with the repository at `from`, but for the files that `other` gives
/// another text for. Files that stay the same keep their times, so that cargo sees what changed.
///
/// # Errors
/// Where a file cannot be read or written.
pub fn refresh(from: &Path, to: &Path, other: impl Fn(&str) -> Option<String>) -> Result<()> {
    for part in PARTS {
        copy(from, to, part, &other).with_context(|| format!("copying {part} to {}", to.display()))?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path, part: &str, other: &impl Fn(&str) -> Option<String>) -> Result<()> {
    let (source, target) = (from.join(part), to.join(part));
    if source.is_dir() {
        fs::create_dir_all(&target)?;
        for entry in fs::read_dir(&source)? {
            let name = entry?.file_name();
            let name = name.to_str().context("a file's name is not UTF-8")?;
            copy(from, to, &format!("{part}/{name}"), other)?;
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

/// Writes a file unless it has this content.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    match fs::read(path) {
        Ok(there) if there == content => Ok(()),
        _ => fs::write(path, content),
    }
}
