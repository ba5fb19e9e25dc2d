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

/// The version of all of this project's crates.
const PEER: &str = concat!("ours ", env!("CARGO_PKG_VERSION"));

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
