//! The folder of a run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

/// The name of a run's configuration.
pub const CONFIG: &str = "config.toml";

/// The paths in a run's folder.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// A folder for a new run: the one given, which must not hold a run, or a fresh one in `runs`.
    pub fn create(given: Option<&Path>, data_name: &str) -> anyhow::Result<Self> {
        let root = match given {
            Some(path) => path.to_path_buf(),
            None => fresh(data_name),
        };
        let folder = Self { root };
        if folder.checkpoint().exists() {
            let root = folder.root.display();
            bail!("{root} holds a run already; go on with it by --resume {root}, or choose another --out");
        }
        fs::create_dir_all(folder.samples()).with_context(|| {
            format!("cannot create the run's folder {}; choose another --out", folder.root.display())
        })?;
        // A folder that exists need not take files, and training must not find that out in an hour.
        programs::check_writable(folder.checkpoint())?;
        Ok(folder)
    }

    /// The folder of a run that is there.
    pub fn existing(root: &Path) -> anyhow::Result<Self> {
        let folder = Self { root: root.to_path_buf() };
        if !folder.checkpoint().is_file() {
            bail!("{} holds no run to resume: it has no checkpoint.safetensors; check --resume", root.display());
        }
        Ok(folder)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Everything that resuming needs.
    pub fn checkpoint(&self) -> PathBuf {
        self.root.join("checkpoint.safetensors")
    }

    /// The averaged weights, for the sampler.
    pub fn weights(&self) -> PathBuf {
        self.root.join("weights.safetensors")
    }

    /// The configuration, which `--config` reads.
    pub fn config(&self) -> PathBuf {
        self.root.join(CONFIG)
    }

    /// Loss, norm and rate of every step.
    pub fn metrics(&self) -> PathBuf {
        self.root.join("metrics.csv")
    }

    /// The loss on held-out images, with each preview.
    pub fn held_out(&self) -> PathBuf {
        self.root.join("heldout.csv")
    }

    /// The same for TensorBoard, which looks for `tfevents` in a name.
    pub fn events(&self) -> PathBuf {
        self.root.join("events.out.tfevents")
    }

    /// The page that shows the run.
    pub fn page(&self) -> PathBuf {
        self.root.join("index.html")
    }

    /// The loss over steps, as a picture.
    pub fn loss(&self) -> PathBuf {
        self.root.join("loss.svg")
    }

    /// The held-out loss over time, as a picture.
    pub fn loss_by_time(&self) -> PathBuf {
        self.root.join("loss-by-time.svg")
    }

    /// A grid of samples after a step.
    pub fn sample(&self, step: u32) -> PathBuf {
        self.samples().join(format!("step-{step:06}.png"))
    }

    /// The steps up to `last` that have a grid of samples, in order.
    pub fn sampled(&self, last: u32) -> Vec<u32> {
        let step =
            |entry: fs::DirEntry| entry.file_name().to_str()?.strip_prefix("step-")?.strip_suffix(".png")?.parse().ok();
        let entries = fs::read_dir(self.samples()).into_iter().flatten().filter_map(Result::ok);
        let mut steps: Vec<u32> = entries.filter_map(step).filter(|step| *step <= last).collect();
        steps.sort_unstable();
        steps
    }

    fn samples(&self) -> PathBuf {
        self.root.join("samples")
    }
}

fn fresh(data_name: &str) -> PathBuf {
    let name: String =
        data_name.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let stem = format!("{}-{name}", jiff::ZonedDateTime::now().strftime("%Y-%m-%d"));
    let numbered = (2..).map(|number| format!("{stem}-{number}"));
    let mut candidates = std::iter::once(stem.clone()).chain(numbered).map(|name| Path::new("runs").join(name));
    candidates.find(|path| !path.exists()).unwrap_or_default()
}
