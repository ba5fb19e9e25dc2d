//! Times this project at single operations, by the clock and in the loop that its peers are timed by. The training step and
//! sampling are `bench`'s.

mod check;
mod operations;
mod shared;

use anyhow::Result;
use clap::Parser;
use measure::Args;
use runtime::{Device, DeviceOptions};

use crate::shared::Shared;

/// The version that this project's `Cargo.toml` has; a test compares it.
const PEER: &str = "ours 0.1.0";

fn main() -> Result<()> {
    let args = Args::parse();
    rayon::scope(|_| {
        let options = if args.device == "cpu" { DeviceOptions::cpu() } else { DeviceOptions::adapter(&args.device) };
        let device = Device::open(&options)?;
        let stream = Shared::new(device.stream()?);
        check::check(&stream)?;
        measure::measure(&args, PEER, &device.to_string(), |what| operations::work(what, &stream))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_version_is_the_one_in_use() {
        let (_, version) = super::PEER.split_once(' ').expect("a name and a version");
        assert!(include_str!("../../../Cargo.toml").contains(&format!("version = \"{version}\"\nedition")));
    }
}
