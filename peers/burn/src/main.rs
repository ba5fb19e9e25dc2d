//! Times burn at what the project does: single operations, and the training step of the same model.

mod check;
mod device;
mod model;
mod operations;
mod training;

use anyhow::Result;
use clap::Parser;
use measure::{Args, Operation};

/// The version that `Cargo.toml` asks for; a test compares it.
const PEER: &str = "burn 0.22.1";

fn main() -> Result<()> {
    let args = Args::parse();
    let (device, adapter) = device::open(&args.device)?;
    check::check(&device)?;
    measure::measure(&args, PEER, &adapter, |what| match what {
        Operation::Step => training::work(&device).map(Some),
        _ => Ok(operations::work(what, &device)),
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_the_one_in_use() {
        let (name, version) = super::PEER.split_once(' ').expect("a name and a version");
        assert!(include_str!("../Cargo.toml").contains(&format!("{name} = {{ version = \"{version}\"")));
    }
}
