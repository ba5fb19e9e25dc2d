//! A peer written in Rust. It stays from round to round, so that it chooses its kernels only once, and waits for a line
//! before each.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use measure::{Operation, Report};

use crate::Args;

/// A peer's program, which ends with this.
pub struct Peer {
    process: Child,
    requests: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// The peer in `slot`, which is started if there is none, to measure `only` these, or all if there are none.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn started<'a>(
        slot: &'a mut Option<Self>,
        program: &Path,
        args: &Args,
        only: &[Operation],
    ) -> Result<&'a mut Self> {
        if slot.is_none() {
            *slot = Some(Self::start(program, args, only)?);
        }
        slot.as_mut().context("it was just started")
    }

    fn start(program: &Path, args: &Args, only: &[Operation]) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["--device", &args.device, "--runs", &args.runs.to_string(), "--on-request"]);
        for what in only.iter().filter_map(ValueEnum::to_possible_value) {
            command.args(["--only", what.get_name()]);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().with_context(|| format!("{} cannot be run", program.display()))?;
        let requests = process.stdin.take().context("a program without input")?;
        let reports = BufReader::new(process.stdout.take().context("a program without output")?).lines();
        Ok(Self { process, requests, reports })
    }

    /// What the peer measures, all of it.
    ///
    /// # Errors
    /// When the peer ends, or a line is no report.
    pub fn round(&mut self) -> Result<Vec<Report>> {
        // A peer that has ended reads nothing; that it has is told below.
        let _ = writeln!(self.requests);
        let mut reports = Vec::new();
        for line in self.reports.by_ref() {
            let line = line?;
            if line.is_empty() {
                return Ok(reports);
            }
            reports.push(serde_json::from_str(&line).with_context(|| format!("not a report: {line}"))?);
        }
        bail!("its program ended with {}, for the reason above", self.process.wait()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
