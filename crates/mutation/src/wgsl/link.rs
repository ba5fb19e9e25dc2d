//! The shaders as files, and as the build script of `kernels` links them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, anyhow};
use wesl::{VirtualResolver, Wesl};

use super::Linked;

#[path = "../../../kernels/link.rs"]
mod linker;

pub use linker::validate;

const SHARED: &str = "shared";

/// The texts of all shaders and of what they share.
#[derive(Clone, Debug)]
pub struct Shaders {
    files: BTreeMap<String, String>,
}

impl Shaders {
    /// Those of the repository at `root`.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        for folder in ["shaders".to_owned(), format!("shaders/{SHARED}")] {
            for entry in fs::read_dir(root.join(&folder)).with_context(|| folder.clone())? {
                let path = entry?.path();
                if path.extension().is_some_and(|extension| extension == "wgsl") {
                    let name =
                        path.file_name().and_then(|name| name.to_str()).context("a shader's name is not UTF-8")?;
                    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
                    files.insert(format!("{folder}/{name}"), text);
                }
            }
        }
        Ok(Self { files })
    }

    /// Files from the root on, and their texts.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().map(|(file, text)| (file.as_str(), text.as_str()))
    }

    /// The same with another text for a file.
    pub fn with(&self, file: &str, text: &str) -> Self {
        let mut files = self.files.clone();
        files.insert(file.to_owned(), text.to_owned());
        Self { files }
    }

    fn kernels(&self) -> impl Iterator<Item = &str> {
        self.files()
            .filter_map(|(file, _)| file.strip_prefix("shaders/")?.strip_suffix(".wgsl"))
            .filter(|stem| !stem.contains('/'))
    }

    /// Every kernel's shader, linked.
    ///
    /// # Errors
    /// What the linker says.
    pub fn link(&self) -> Result<Linked> {
        self.kernels().map(|stem| Ok((stem.to_owned(), self.link_one(stem)?))).collect()
    }

    /// One kernel's shader, linked.
    ///
    /// # Errors
    /// What the linker says.
    pub fn link_one(&self, stem: &str) -> Result<Shader> {
        let mut resolver = VirtualResolver::new();
        for (file, text) in self.files() {
            let path = file.trim_start_matches("shaders/").trim_end_matches(".wgsl");
            resolver.add_module(linker::module(path), text.into());
        }
        let compiler = Wesl::new("").set_custom_resolver(resolver);
        let linked = linker::link(compiler, stem).map_err(|error| anyhow!("{stem}: {error}"))?;
        let files = linked.modules.iter().map(|module| format!("shaders/{}.wgsl", module.components.join("/")));
        Ok(Shader { text: linked.to_string(), files: files.collect() })
    }
}

/// A shader with what it imports.
#[derive(Clone, Debug)]
pub struct Shader {
    /// Plain WGSL.
    pub text: String,
    /// The files that something of it is from, its own among them.
    pub files: BTreeSet<String>,
}
