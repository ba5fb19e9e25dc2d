//! Writes docs/kernels.md: a row a kernel, from what the tests recorded.

mod table;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use tests::harness::Observation;

/// Write docs/kernels.md from what the kernel tests recorded with KERNEL_OBSERVATIONS=FOLDER
#[derive(Debug, Parser)]
struct Arguments {
    /// Folders with records
    #[arg(required = true)]
    folders: Vec<PathBuf>,

    /// The page to write
    #[arg(long, default_value = "docs/kernels.md")]
    out: PathBuf,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut observations = Vec::new();
    for folder in &arguments.folders {
        let read = Observation::read_all(folder);
        observations.extend(read.with_context(|| format!("the records of {} cannot be read", folder.display()))?);
    }
    let shaders = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders");
    let page = table::page(&observations, &shaders)?;
    fs::write(&arguments.out, page).with_context(|| format!("{} cannot be written", arguments.out.display()))?;
    println!("Wrote {} from {} comparisons", arguments.out.display(), observations.len());
    Ok(())
}
