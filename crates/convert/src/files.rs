//! Where weights are on the disk: a file, or a folder as diffusers saves one.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use dit::{Exported, Names};
use programs::{FileError, check_writable, write_atomically};

/// diffusers' names of the files in a model's folder.
const TENSORS: &str = "diffusion_pytorch_model.safetensors";
const CONFIG: &str = "config.json";

/// The weights to convert.
pub struct Source {
    /// The path of the safetensors file.
    pub name: String,
    /// Its contents.
    pub bytes: Vec<u8>,
    /// The text of `config.json` beside it, if there is one.
    pub config_json: Option<String>,
}

impl Source {
    /// Reads a file, or the files in a folder.
    ///
    /// # Errors
    /// A sentence for whatever cannot be read.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let file = if path.is_dir() { in_folder(path)? } else { path.to_owned() };
        let name = file.display().to_string();
        let bytes = fs::read(&file).with_context(|| format!("cannot read the weights {name}"))?;
        let beside = file.with_file_name(CONFIG);
        let config_json = match fs::read_to_string(&beside) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", beside.display())),
        };
        Ok(Self { name, bytes, config_json })
    }
}

fn in_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    let file = folder.join(TENSORS);
    let name = folder.display();
    if file.is_file() {
        Ok(file)
    } else if folder.join(format!("{TENSORS}.index.json")).is_file() {
        bail!("{name} has its weights in several files; save it in Python with max_shard_size=\"100GB\"")
    } else {
        bail!(
            "{name} is a folder without {TENSORS}; give the folder of a model that diffusers saved (in a pipeline's it \
             is `transformer`), or a safetensors file"
        )
    }
}

/// Where converted weights go.
pub struct Destination {
    tensors: PathBuf,
    config: Option<PathBuf>,
}

impl Destination {
    /// The files that will be written, after a check that they can be; a folder for diffusers is made.
    ///
    /// # Errors
    /// As [`check_writable`], and where the folder cannot be made.
    pub fn check(path: &Path, names: Names) -> anyhow::Result<Self> {
        let destination = match names {
            Names::Dit => Self { tensors: path.to_owned(), config: None },
            Names::Diffusers => {
                fs::create_dir_all(path).with_context(|| {
                    format!("cannot make the folder {} for diffusers' two files; choose another OUT", path.display())
                })?;
                Self { tensors: path.join(TENSORS), config: Some(path.join(CONFIG)) }
            }
        };
        for file in [&destination.tensors].into_iter().chain(&destination.config) {
            check_writable(file)?;
        }
        Ok(destination)
    }

    /// Writes both files, or the one.
    ///
    /// # Errors
    /// As [`write_atomically`].
    pub fn write(&self, exported: &Exported) -> Result<(), FileError> {
        write_atomically(&self.tensors, |file| file.write_all(&exported.tensors))?;
        if let (Some(path), Some(text)) = (&self.config, &exported.config_json) {
            write_atomically(path, |file| file.write_all(text.as_bytes()))?;
        }
        Ok(())
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.tensors.display())?;
        self.config.iter().try_for_each(|config| write!(f, " and {}", config.display()))
    }
}
