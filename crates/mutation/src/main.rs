//! Changes one operator, constant, index or barrier of a kernel at a time, and counts the changes that
//! no test notices: docs/mutation.md.

mod args;
mod campaign;
mod known;
mod mutant;
mod numbers;
mod process;
mod report;
mod rust;
mod tests;
mod wgsl;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use anyhow::{Context, Result, bail};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

use crate::args::Args;
use crate::campaign::Campaign;
use crate::known::Known;
use crate::mutant::{Body, Mutant};
use crate::report::{Report, Survivors};
use crate::tests::Suite;
use crate::wgsl::Shaders;

fn main() -> ExitCode {
    match check(&Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            // Where standard error is closed there is nobody left to tell.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn check(args: &Args) -> Result<ExitCode> {
    let root = root()?;
    let known = Known::read(&root)?;
    let table = tests::table(&root)?;
    if let Some(unknown) = args.kernels.iter().find(|kernel| !table.contains_key(*kernel)) {
        bail!("there is no kernel `{unknown}`");
    }
    let survivors = args.again.as_deref().map(Survivors::read).transpose()?;
    let shaders = Shaders::read(&root)?;
    let threads = (thread::available_parallelism()?.get() / args.jobs()).max(1);

    let mut campaign = Campaign { linked: shaders.link()?, shaders, suites: BTreeMap::new(), units: BTreeMap::new() };
    let mut mutants = Vec::new();
    for body in [Body::Wgsl, Body::Cpu].into_iter().filter(|body| args.bodies.has(*body)) {
        let (all, binaries) = match body {
            Body::Wgsl => (wgsl::mutants(&campaign.shaders)?, rust::build_own(&root)?),
            Body::Cpu => {
                let sources = rust::Sources::read(&root)?;
                let (rewritten, binaries, dropped) = rust::build(&root, &sources)?;
                say(format_args!("{dropped} changes of CPU bodies do not build, and are left out"));
                for file in rewritten.mutants.iter().map(|mutant| &mutant.file) {
                    if let (Some(path), false) = (sources.unit_tests(file), campaign.units.contains_key(file)) {
                        campaign.units.insert(file.clone(), tests::unit(&binaries, path, threads)?);
                    }
                }
                (rewritten.mutants, binaries)
            }
        };
        let drawn = draw(args, survivors.as_ref(), all);
        let bar = progress("tests without a change", table.len());
        let wanted = |kernel: &str| drawn.iter().any(|mutant| mutant.kernels.iter().any(|user| user == kernel));
        let suite = Suite::new(body, &binaries, &table, wanted, threads, || bar.inc(1))?;
        bar.finish_and_clear();
        campaign.suites.insert(body, suite);
        mutants.extend(drawn);
    }

    let bar = progress("mutants", mutants.len());
    let outcomes = campaign.run(&mutants, args.jobs(), &bar)?;
    bar.finish_and_clear();
    let complete = |file: &str| {
        let body = if file.starts_with("shaders/") { Body::Wgsl } else { Body::Cpu };
        args.sample.is_none() && args.again.is_none() && args.kernels.is_empty() && args.bodies.has(body)
    };
    let report = Report::new(mutants, outcomes, &known, complete);
    if let Some(path) = &args.report {
        fs::write(path, serde_json::to_vec_pretty(&report)?).with_context(|| path.display().to_string())?;
    }
    say(&report);
    Ok(if report.passes() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The root of the repository: two folders above this crate.
fn root() -> Result<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().context("the repository is gone")
}

/// The mutants that the arguments ask for.
fn draw(args: &Args, survivors: Option<&Survivors>, mut mutants: Vec<Mutant>) -> Vec<Mutant> {
    if let Some(survivors) = survivors {
        mutants.retain(|mutant| survivors.have(mutant));
    }
    if !args.kernels.is_empty() {
        mutants.retain(|mutant| mutant.kernels.iter().any(|kernel| args.kernels.contains(kernel)));
    }
    let Some(count) = args.sample.filter(|count| *count < mutants.len()) else { return mutants };
    let mut order: Vec<usize> = (0..mutants.len()).collect();
    let (chosen, _) = order.partial_shuffle(&mut ChaCha8Rng::seed_from_u64(args.seed), count);
    chosen.sort_unstable();
    chosen.iter().map(|i| mutants[*i].clone()).collect()
}

fn progress(what: &'static str, count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64).with_message(what);
    // The template is a constant; without it the bar is the default one.
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}, {elapsed} gone, {eta} left") {
        bar.set_style(style);
    }
    bar
}

/// Prints a line. Where standard output is closed nobody reads it, which is no failure.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
