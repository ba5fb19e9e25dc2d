//! A peer's program.

use std::io::{self, Write};

use anyhow::Result;
use clap::Parser;

use crate::{Operation, Report, timing::Timed};

/// Does something so many times, and returns when the device is done.
pub type Work = Box<dyn FnMut(usize) -> Result<()>>;

/// Measures a peer, and prints a line of JSON for each thing that was measured
#[derive(Debug, Parser)]
pub struct Args {
    /// Part of the name of an adapter; `cpu` where the peer has a backend for it
    #[arg(long)]
    pub device: String,

    /// Measurements of each thing, after warm-up
    #[arg(long, default_value_t = 7)]
    runs: usize,

    /// Measure these alone
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Operation>,

    /// Measure all of it again for every line that is read, and end it with an empty line
    #[arg(long)]
    on_request: bool,
}

/// Measures what `work` gives for each operation; nothing where the peer has none.
///
/// # Errors
/// As the work, and when nothing can be read or printed.
pub fn measure(args: &Args, peer: &str, adapter: &str, work: impl Fn(Operation) -> Result<Option<Work>>) -> Result<()> {
    let wanted = |what: &Operation| args.only.is_empty() || args.only.contains(what);
    let mut works = Operation::ALL.into_iter().filter(wanted).filter_map(|what| {
        eprintln!("{peer}: {}, {}", what.title(), what.shape()); // autotune can take minutes
        let work = work(what).transpose()?;
        Some(work.and_then(Timed::warm).map(|timed| (what, timed)))
    });
    let report = |what: Operation, timed: &mut Timed| -> Result<()> {
        let report = Report::new(peer, adapter, what, timed.milliseconds(args.runs)?);
        println!("{}", serde_json::to_string(&report)?);
        Ok(())
    };
    if !args.on_request {
        return works.try_for_each(|work| work.and_then(|(what, mut timed)| report(what, &mut timed)));
    }
    let mut prepared = works.collect::<Result<Vec<_>>>()?;
    for line in io::stdin().lines() {
        line?;
        prepared.iter_mut().try_for_each(|(what, timed)| report(*what, timed))?;
        println!();
        io::stdout().flush()?;
    }
    Ok(())
}
