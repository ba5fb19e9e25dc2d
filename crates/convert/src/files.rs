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
    pub file: PathBuf,
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
        let bytes = fs::read(&file).with_context(|| format!("cannot read the weights {}", file.display()))?;
        let beside = file.with_file_name(CONFIG);
        let config_json = match fs::read_to_string(&beside) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", beside.display())),
        };
        Ok(Self { file, bytes, config_json })
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
    /// What will be written where the user says `path`: a file, or for diffusers two in a folder.
    pub fn new(path: &Path, names: Names) -> Self {
        match names {
            Names::Dit => Self { tensors: path.to_owned(), config: None },
            Names::Diffusers => Self { tensors: path.join(TENSORS), config: Some(path.join(CONFIG)) },
        }
    }

    /// Whether this would be written over a file.
    pub fn is(&self, file: &Path) -> bool {
        match (self.tensors.canonicalize(), file.canonicalize()) {
            (Ok(one), Ok(other)) => one == other,
            _ => self.tensors == file,
        }
    }

    /// Makes the folder for diffusers, and checks that files can be written.
    ///
    /// # Errors
    /// As [`check_writable`], and where the folder cannot be made.
    pub fn prepare(&self) -> anyhow::Result<()> {
        if let Some(folder) = self.config.as_ref().and_then(|config| config.parent()) {
            fs::create_dir_all(folder).with_context(|| {
                format!("cannot make the folder {} for diffusers' two files; choose another OUT", folder.display())
            })?;
        }
        for file in [&self.tensors].into_iter().chain(&self.config) {
            check_writable(file)?;
        }
        Ok(())
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
