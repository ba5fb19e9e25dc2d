//! Runs this project and its peers in turn, and prints what each takes.

mod ours;
mod peer;
mod process;
mod table;
mod torch;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use measure::{Operation, Report};

use crate::ours::Ours;
use crate::peer::Peer;
use crate::table::Table;

/// Compares this project with burn, meganeura and PyTorch
///
/// All run one after the other, round after round, so that what else the machine does meets each of them. A peer that
/// fails is left out, and said to be.
#[derive(Debug, Parser)]
struct Args {
    /// Part of the name of an adapter, or `cpu`
    #[arg(long, default_value = "cpu")]
    device: String,

    /// How often all run
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,

    /// Measurements of each thing in a round; their median counts
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Compare these alone
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Operation>,

    /// Steps of Euler's method from noise to images
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    sample_steps: u32,

    /// A release build of this project's `bench` [default: the one in its workspace]
    #[arg(long)]
    bench: Option<PathBuf>,

    /// The PyTorch peer's script, which lies outside of the repository; without it there are no rows of PyTorch
    #[arg(long, env = "TORCH_PEER")]
    torch: Option<PathBuf>,

    /// A Python with PyTorch
    #[arg(long, default_value = "python3")]
    python: PathBuf,

    /// The device of PyTorch: cpu or cuda
    #[arg(long, default_value = "cpu")]
    torch_device: String,

    /// Also write every round's times to this file, which is replaced
    #[arg(long)]
    json: Option<PathBuf>,
}

impl Args {
    fn wants(&self, what: Operation) -> bool {
        self.only.is_empty() || self.only.contains(&what)
    }
}

/// Something that runs once a round.
type Contender<'a> = Box<dyn FnMut() -> Result<Vec<Report>> + 'a>;

fn main() -> Result<()> {
    let args = Args::parse();
    let mut table = Table::default();
    let mut contenders = contenders(&args, &mut table)?;
    for round in 1..=args.rounds {
        contenders.retain_mut(|(name, run)| {
            eprintln!("round {round} of {}: {name}", args.rounds);
            run().map(|reports| table.add(name, reports)).map_err(|error| table.skip(name, &error)).is_ok()
        });
    }
    print!("{table}");
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&table.json())?;
        std::fs::write(path, text).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(())
}

/// This project first, with which the others are compared.
fn contenders<'a>(args: &'a Args, table: &mut Table) -> Result<Vec<(String, Contender<'a>)>> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let bench = args.bench.clone().unwrap_or_else(|| workspace.join("target/release/bench"));
    let program = std::env::current_exe().context("the folder of the peers' programs")?;
    let (mut ours, operations) = (Ours::default(), program.with_file_name("ours-peer"));
    let mut all: Vec<(String, Contender)> =
        vec![("ours".into(), Box::new(move || ours.round(&operations, &bench, args)))];
    for name in ["burn", "meganeura"] {
        if name == "meganeura" && args.device == "cpu" {
            table.skip(name, &anyhow::anyhow!("it has no backend for the CPU"));
            continue;
        }
        let program = program.with_file_name(format!("{name}-peer"));
        let mut peer = None;
        all.push((name.into(), Box::new(move || Peer::started(&mut peer, &program, args, &args.only)?.round())));
    }
    match &args.torch {
        Some(script) => {
            let torch = torch::Torch::new(script, args);
            for variant in torch::VARIANTS {
                let torch = torch.clone();
                all.push((format!("PyTorch, {}", variant.name), Box::new(move || torch.round(variant))));
            }
        }
        None => table.skip("PyTorch", &anyhow::anyhow!("its script was not given, by --torch or TORCH_PEER")),
    }
    Ok(all)
}
