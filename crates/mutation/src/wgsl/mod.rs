//! Mutants of the shaders.

mod link;
mod sites;
mod templates;
mod tokens;

use std::collections::BTreeMap;

use anyhow::Result;

pub use link::{Shader, Shaders, validate};

use crate::mutant::{Body, Means, Mutant};

/// Every mutant of the shaders and of what they share, each with the kernels whose linked shader it
/// changes.
///
/// # Errors
/// Where the shaders cannot be read or linked.
pub fn mutants(shaders: &Shaders) -> Result<Vec<Mutant>> {
    let linked = shaders.link()?;
    let mut mutants = Vec::new();
    for (file, source) in shaders.files() {
        let users = linked.iter().filter(|(_, shader)| shader.files.contains(file));
        let users: Vec<_> = users.map(|(stem, _)| stem.clone()).collect();
        for edit in sites::edits(source) {
            let means = Means::Shader(edit.apply(source));
            mutants.push(Mutant::new(Body::Wgsl, file, source, &edit, users.clone(), means));
        }
    }
    Ok(mutants)
}

/// The linked shaders of kernels by name.
pub type Linked = BTreeMap<String, Shader>;
