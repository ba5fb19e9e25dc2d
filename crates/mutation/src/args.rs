//! The command line.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::thread;

use clap::{Parser, ValueEnum};

use crate::mutant::Body;

/// Changes one operator, constant, index or barrier of a kernel at a time, runs the tests that concern
/// it, and counts the changes that no test notices.
#[derive(Debug, Parser)]
#[command(version)]
pub struct Args {
    /// Only what concerns this kernel; can be given more than once
    #[arg(long = "kernel", value_name = "NAME")]
    pub kernels: Vec<String>,

    /// Which bodies are changed
    #[arg(long, value_enum, default_value_t = Bodies::All)]
    pub bodies: Bodies,

    /// Only this many mutants of each body, drawn at random
    #[arg(long, value_name = "N")]
    pub sample: Option<usize>,

    /// What the draw depends on
    #[arg(long, default_value_t = 0, requires = "sample")]
    pub seed: u64,

    /// Tests that run at a time [default: the number of cores]
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,

    /// Only what survived in an earlier report
    #[arg(long, value_name = "FILE")]
    pub again: Option<PathBuf>,

    /// Writes every mutant and what became of it to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// Which bodies are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Bodies {
    /// The shaders.
    Wgsl,
    /// The functions over slices.
    Cpu,
    /// Both.
    All,
}

impl Bodies {
    /// Whether these are among them.
    pub fn has(self, body: Body) -> bool {
        matches!((self, body), (Self::All, _) | (Self::Wgsl, Body::Wgsl) | (Self::Cpu, Body::Cpu))
    }
}

impl Args {
    /// Tests that run at a time.
    pub fn jobs(&self) -> usize {
        self.jobs.or_else(|| thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get)
    }
}
