//! `trainer`: trains a diffusion transformer by flow matching, on MNIST unless told otherwise.

mod arguments;
mod checkpoint;
mod data;
mod folder;
mod interrupt;
mod metrics;
mod previews;
mod progress;
mod settings;
mod train;

use std::process::ExitCode;

use clap::Parser;

use arguments::Arguments;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    programs::run(|| {
        if arguments.device.list_devices {
            arguments.device.print_list()?;
            return Ok(ExitCode::SUCCESS);
        }
        train::run(&arguments)
    })
}
