//! This project.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use measure::{Operation, Report};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::peer::Peer;
use crate::{Args, process::output};

/// What `bench` writes.
#[derive(Deserialize)]
struct Bench {
    machine: Machine,
    tables: Vec<Rows>,
}

#[derive(Deserialize)]
struct Machine {
    device: String,
    version: String,
    processor: String,
    threads: u32,
}

#[derive(Deserialize)]
struct Rows {
    rows: Vec<Json>,
}

/// Single operations, by a program of the kind that peers have; the training step and sampling, by `bench`.
#[derive(Default)]
pub struct Ours {
    operations: Option<Peer>,
}

impl Ours {
    /// All that is wanted, once: single operations by `program`, the rest by `bench`.
    ///
    /// # Errors
    /// When one of them fails, or writes what is not understood.
    pub fn round(&mut self, program: &Path, bench: &Path, args: &Args) -> Result<Vec<Report>> {
        let single = |what: &Operation| args.wants(*what) && !matches!(what, Operation::Step | Operation::Sample);
        let operations: Vec<_> = Operation::ALL.into_iter().filter(single).collect();
        let mut reports = Vec::new();
        if !operations.is_empty() {
            reports = Peer::started(&mut self.operations, program, args, &operations)?.round()?;
        }
        if args.wants(Operation::Step) {
            let step = run(bench, args, &["step"])?;
            reports.push(report(&step, Operation::Step, first(&step, "/value/median")?));
        }
        if args.wants(Operation::Sample) {
            let steps = args.sample_steps.to_string();
            let sample = run(bench, args, &["sample", "--count", "100", "--guidance", "3", "--steps", &steps])?;
            reports.push(report(&sample, Operation::Sample, 1e3 * first(&sample, "/time_s/median")?));
        }
        Ok(reports)
    }
}

fn report(bench: &Bench, what: Operation, ms: f64) -> Report {
    let Machine { device, version, processor, threads } = &bench.machine;
    let adapter = format!("{device}, {processor}, {threads} threads");
    Report::new(&format!("ours {version}"), &adapter, what, vec![ms])
}

fn run(bench: &Path, args: &Args, mode: &[&str]) -> Result<Bench> {
    let file = std::env::temp_dir().join(format!("compare-{}.json", std::process::id()));
    let device = if args.device == "cpu" { "--device" } else { "--adapter" };
    let mut command = Command::new(bench);
    command.args(mode).args([device, &args.device, "--preset", "small", "--runs", &args.runs.to_string()]);
    output(command.arg("--json").arg(&file))?;
    let text = std::fs::read_to_string(&file);
    let _ = std::fs::remove_file(&file); // it was only for this
    Ok(serde_json::from_str(&text?)?)
}

fn first(bench: &Bench, pointer: &str) -> Result<f64> {
    let row = bench.tables.first().and_then(|table| table.rows.first());
    row.and_then(|row| row.pointer(pointer)?.as_f64()).with_context(|| format!("bench has no {pointer}"))
}
