//! Mutants of the CPU bodies: all of them in one build, each behind its number.

mod build;
mod constants;
mod reach;
mod rewrite;
mod workspace;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

pub use build::{Binaries, build, build_own};

use crate::mutant::{Body, Means, Mutant};

/// The sources that CPU bodies are made of, from the root of the repository on.
const SOURCES: &str = "crates/kernels/src";

/// The files of the CPU bodies, parsed.
pub struct Sources {
    files: BTreeMap<String, Source>,
}

struct Source {
    text: String,
    syntax: syn::File,
}

impl Sources {
    /// Those of the repository at `root`.
    ///
    /// # Errors
    /// Where they cannot be read or are no Rust.
    pub fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for folder in [SOURCES.to_owned(), format!("{SOURCES}/cpu")] {
            for entry in fs::read_dir(root.join(&folder)).with_context(|| folder.clone())? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "rs") {
                    let name = path.file_name().and_then(|name| name.to_str()).context("a file's name is not UTF-8")?;
                    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                    let syntax = syn::parse_file(&text).with_context(|| path.display().to_string())?;
                    files.insert(format!("{folder}/{name}"), Source { text, syntax });
                }
            }
        }
        Ok(Self { files })
    }

    /// Whether a file has tests of its own, and their path if so.
    pub fn unit_tests(&self, file: &str) -> Option<String> {
        let has = self.files.get(file)?.text.contains("#[cfg(test)]");
        let module = file.strip_prefix(SOURCES)?.trim_matches('/').strip_suffix(".rs")?.replace('/', "::");
        has.then(|| format!("{module}::tests"))
    }
}

/// The mutants, and the files that hold all of them behind their numbers.
#[derive(Debug)]
pub struct Rewritten {
    /// In the order of their numbers.
    pub mutants: Vec<Mutant>,
    files: BTreeMap<String, String>,
}

/// Every mutant of the CPU bodies but the dropped ones.
///
/// # Errors
/// Where a file that was rewritten is no Rust any more.
pub fn rewrite(sources: &Sources, dropped: &BTreeSet<u32>) -> Result<Rewritten> {
    let reach = reach::of(sources);
    let constants = constants::of(sources);
    let (mut mutants, mut files, mut next) = (Vec::new(), BTreeMap::new(), 1);
    for (file, source) in &sources.files {
        let Some(functions) = reach.get(file) else { continue };
        let mut rewriter = rewrite::Rewriter::new(file, &source.text, functions, &constants, dropped, next);
        let syntax = rewriter.file(source.syntax.clone());
        next = rewriter.next();
        for site in rewriter.sites() {
            let text = &sources.files[&site.file].text;
            let kernels = site.kernels.iter().cloned().collect();
            mutants.push(Mutant::new(Body::Cpu, &site.file, text, &site.edit, kernels, Means::Number(site.number)));
        }
        files.insert(file.clone(), prettyplease::unparse(&syntax));
    }
    Ok(Rewritten { mutants, files })
}
