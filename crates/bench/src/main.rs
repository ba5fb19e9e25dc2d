//! `bench`: measures kernels, the training step and sampling on this machine, beside what the machine can do.

mod args;
mod groups;
mod machine;
mod modes;
mod peak;
mod report;
mod statistics;
mod work;
mod workload;

use std::alloc::System;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use programs::say;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

use args::{Arguments, Mode};
use machine::Machine;

/// Counts the allocations of all threads.
#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    programs::run(|| bench(&arguments.mode))
}

fn bench(mode: &Mode) -> Result<ExitCode> {
    let (name, common) = mode.common();
    if common.device.list_devices {
        common.device.print_list()?;
        return Ok(ExitCode::SUCCESS);
    }
    common.check()?;
    let device = common.device.open_with_timestamps()?;
    let machine = Machine::of(&device);
    say(machine.describe());
    if cfg!(debug_assertions) {
        say("This is a development build; for figures that count: cargo run --release -p bench");
    }
    let mut stream = device.stream()?;
    let tables = match mode {
        Mode::Kernels(args) => modes::kernels(&mut stream, args)?,
        Mode::Step(args) => modes::step(&mut stream, args)?,
        Mode::Sample(args) => modes::sample(&mut stream, args)?,
        Mode::Overhead(args) => modes::overhead(&mut stream, args)?,
        Mode::Roofline(args) => modes::roofline(&mut stream, args)?,
        Mode::Scale(args) => modes::scale(&mut stream, args)?,
    };
    report::publish(name, &machine, &tables, common.json.as_deref())?;
    Ok(ExitCode::SUCCESS)
}
