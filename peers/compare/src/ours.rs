//! This project, by its own benchmark.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use measure::{Operation, Report};
use serde::Deserialize;
use serde_json::Value as Json;

use crate::{Args, process::output};

/// The kernels that do an operation, with their sizes as `bench kernels` has them; their times are added.
fn kernels(what: Operation) -> &'static [(&'static str, &'static str)] {
    const NORM: (&str, &str) = ("layer_norm_modulate", "rows 3136, tokens 49, width 128");
    const NORM_BACKWARD: (&str, &str) = ("layer_norm_modulate_backward", "rows 3136, tokens 49, width 128");
    const MODULATION_BACKWARD: (&str, &str) = ("modulation_backward", "batch 64, tokens 49, width 128");
    const ATTENTION: (&str, &str) = ("attention", "batch 64, tokens 49, heads 4, head_dim 32");
    const ATTENTION_BACKWARD: (&str, &str) = ("attention_backward", "batch 64, tokens 49, heads 4, head_dim 32");
    match what {
        Operation::QueryKeyValue => &[("matmul", "m 3136, n 384, k 128, b_transposed 1, epilogue 2")],
        Operation::LinearGelu => &[("matmul", "m 3136, n 512, k 128, b_transposed 1, epilogue 3")],
        Operation::LinearGated => &[("matmul", "m 3136, n 128, k 512, tokens 49, b_transposed 1, epilogue 4")],
        Operation::InputGradient => &[("matmul", "m 3136, n 128, k 512")],
        // With the bias' gradient in it, where a variant has that.
        Operation::WeightGradient => &[("matmul", "m 512, n 128, k 3136")],
        Operation::BiasGradient => &[("column_sum", "rows 3136, columns 512")],
        Operation::LayerNorm => &[NORM],
        Operation::LayerNormGradient => &[NORM, NORM_BACKWARD, MODULATION_BACKWARD],
        Operation::Attention => &[ATTENTION],
        Operation::AttentionGradient => &[ATTENTION, ATTENTION_BACKWARD],
        Operation::AdamW => &[("adamw", "len 1275456")],
        Operation::SquareProduct | Operation::Step | Operation::Sample => &[],
    }
}

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

/// Kernels, the training step, and sampling.
///
/// # Errors
/// When `bench` fails, or writes what is not understood.
pub fn round(bench: &Path, args: &Args) -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    let wanted = |what: &Operation| args.wants(*what) && !kernels(*what).is_empty();
    let operations: Vec<_> = Operation::ALL.into_iter().filter(wanted).collect();
    if !operations.is_empty() {
        let bench = run(bench, args, &["kernels"])?;
        for what in operations {
            let times = kernels(what).iter().map(|kernel| microseconds(&bench, *kernel));
            match times.sum::<Result<f64>>() {
                Ok(time) => reports.push(report(&bench, what, 1e-3 * time)),
                // A CPU does an MLP in one kernel, and its gradients in another; a product may have the gradient of a bias
                // in it.
                Err(error) => eprintln!("no figure of ours for {what:?}: {error}"),
            }
        }
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

fn microseconds(bench: &Bench, (kernel, shape): (&str, &str)) -> Result<f64> {
    let is = |name: &str| if kernel == "matmul" { name.starts_with(kernel) } else { bare(name) == kernel };
    let text = |row: &Json, key| row[key].as_str().unwrap_or_default().to_owned();
    let find = |matches: &dyn Fn(&str) -> bool| {
        let mut rows = bench.tables.iter().flat_map(|table| &table.rows);
        rows.find(|row| is(&text(row, "kernel")) && matches(&text(row, "shape")))
    };
    // A shape may go on with how the kernel divides its work.
    let row = find(&|found| found == shape).or_else(|| find(&|found| found.starts_with(shape)));
    row.and_then(|row| row["time_µs"]["median"].as_f64()).with_context(|| format!("bench has no {kernel} of {shape}"))
}

/// A kernel's name without that of its variant for subgroups.
fn bare(name: &str) -> &str {
    name.trim_end_matches("_subgroup").trim_end_matches("_quads").trim_end_matches("_pairs")
}

fn first(bench: &Bench, pointer: &str) -> Result<f64> {
    let row = bench.tables.first().and_then(|table| table.rows.first());
    row.and_then(|row| row.pointer(pointer)?.as_f64()).with_context(|| format!("bench has no {pointer}"))
}
