//! PyTorch, by the script that times the same model.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use measure::sizes::{BATCH, DEPTH, HEADS, WIDTH};
use measure::{Operation, Report};

use crate::{Args, process::output};

/// How PyTorch computes.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// In words.
    pub name: &'static str,
    flags: &'static [&'static str],
}

/// All ways that are compared.
pub const VARIANTS: [Variant; 3] = [
    Variant { name: "eager f32", flags: &[] },
    Variant { name: "eager bf16", flags: &["--dtype", "bf16"] },
    Variant { name: "compiled f32", flags: &["--compile"] },
];

/// The script and what it is run with.
#[derive(Clone, Debug)]
pub struct Torch {
    script: PathBuf,
    python: PathBuf,
    device: String,
    steps: u32,
    step: bool,
    sample: bool,
}

impl Torch {
    /// As the arguments say.
    pub fn new(script: &Path, args: &Args) -> Self {
        Self {
            script: script.into(),
            python: args.python.clone(),
            device: args.torch_device.clone(),
            steps: args.sample_steps,
            step: args.wants(Operation::Step),
            sample: args.wants(Operation::Sample),
        }
    }

    /// The training step, and sampling.
    ///
    /// # Errors
    /// When PyTorch or the script cannot be run, or print what is not understood.
    pub fn round(&self, variant: Variant) -> Result<Vec<Report>> {
        let about = "import torch; print(torch.__version__, 'on', torch.get_num_threads(), 'threads')";
        let version = output(Command::new(&self.python).args(["-c", about]))?;
        let (version, threads) = version.trim().split_once(' ').context("PyTorch has no version")?;
        let adapter = format!("{} {threads}", self.device);
        let report = |what, ms| Report::new(&format!("PyTorch {version}"), &adapter, what, vec![ms]);

        let mut reports = Vec::new();
        if self.step {
            let mode = ["time", "--batch", &BATCH.to_string()];
            reports.push(report(Operation::Step, self.number_after("train_step_ms median", variant, &mode)?));
        }
        if self.sample {
            let mode = ["sample-time", "--batch", "100", "--guidance", "3", "--steps", &self.steps.to_string()];
            reports.push(report(Operation::Sample, 1e3 * self.number_after("sample_s", variant, &mode)?));
        }
        Ok(reports)
    }

    fn number_after(&self, words: &str, variant: Variant, mode: &[&str]) -> Result<f64> {
        let mut command = Command::new(&self.python);
        command.arg(&self.script).args(mode).args(["--device", &self.device]).args(variant.flags);
        command.args(["--patch", "4"]);
        for (flag, size) in [("--width", WIDTH), ("--depth", DEPTH), ("--heads", HEADS)] {
            command.args([flag, &size.to_string()]);
        }
        let printed = output(&mut command)?;
        let number = printed.split_once(words).and_then(|(_, rest)| rest.split_whitespace().next());
        let number = number.with_context(|| format!("no \"{words}\" in what PyTorch's script printed: {printed}"))?;
        Ok(number.parse()?)
    }
}
