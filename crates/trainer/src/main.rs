//! `trainer`: trains a diffusion transformer by flow matching, on MNIST unless told otherwise.

mod arguments;
mod checkpoint;
mod config;
mod curves;
mod data;
mod events;
mod folder;
mod held_out;
mod interrupt;
mod page;
mod previews;
mod progress;
mod records;
mod schedule;
mod settings;
mod table;
mod train;

use std::process::ExitCode;

use arguments::Arguments;

fn main() -> ExitCode {
    programs::run(|| {
        let arguments = config::arguments()?;
        if let Some(status) = arguments.manual.print::<Arguments>()? {
            return Ok(status);
        }
        if arguments.device.list_devices {
            arguments.device.print_list()?;
            return Ok(ExitCode::SUCCESS);
        }
        train::run(&arguments)
    })
}
