//! Converts weights between this project, DiT and SiT, and diffusers.

mod args;
mod files;

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use dit::{Config, Layout, Unsaid, Weights};
use programs::say;

use crate::args::Args;
use crate::files::{Destination, Source};

fn main() -> ExitCode {
    let args = Args::parse();
    programs::run(|| convert(&args))
}

fn convert(args: &Args) -> anyhow::Result<ExitCode> {
    let layout = Layout { names: args.to.into(), learn_sigma: args.learn_sigma };
    let destination = Destination::new(&args.output, layout.names);
    let source = Source::read(&args.input)?;
    if destination.is(&source.file) {
        let complaint = format!("IN and OUT are the same file, {}; choose another OUT\n", source.file.display());
        // Where standard error is closed there is nobody left to tell.
        let _ = clap::Error::raw(ErrorKind::ValueValidation, complaint).print();
        return Ok(ExitCode::from(2));
    }
    let name = source.file.display().to_string();
    let unsaid = Unsaid {
        names: args.from.map(Into::into),
        config_json: source.config_json.as_deref(),
        heads: args.heads,
        side: args.side,
        time_scale: args.time_scale,
        path: args.path,
        frequency_steps: args.frequency_steps,
    };
    let imported = Weights::import(&source.bytes, &name, &unsaid)?;
    let exported = imported.weights.export(layout)?;
    destination.prepare()?;
    destination.write(&exported)?;

    say(format_args!("Read {name} ({}): {}", imported.layout, describe(&imported.weights.config)));
    say(format_args!("Wrote {destination} ({layout})"));
    // What is to be known about the class that will load the file concerns nobody where it is ours.
    let exported = exported.notes.iter().filter(|_| layout != Layout::OWN);
    for note in imported.notes.iter().chain(exported) {
        say(format_args!("Note: {note}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn describe(config: &Config) -> String {
    let Config { side, channels, patch, width, depth, heads, classes, time_scale, .. } = *config;
    format!(
        "images of {channels}×{side}×{side}, patch {patch}, width {width}, depth {depth}, heads {heads}, classes \
         {classes}, time scale {time_scale}"
    )
}
