//! Draws images with a trained diffusion transformer: a picture of them, and their numbers if asked for.

mod args;
mod draw;
mod lists;
mod model;
mod output;
mod plan;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Parser;
use clap::error::ErrorKind;
use programs::{check_writable, save_png, say, show};

use crate::args::Args;
use crate::output::{picture, save_tensors};
use crate::plan::counted;

fn main() -> ExitCode {
    let args = Args::parse();
    programs::run(|| sampler(&args))
}

fn sampler(args: &Args) -> anyhow::Result<ExitCode> {
    if let Some(status) = args.manual.print::<Args>()? {
        return Ok(status);
    }
    if args.device.list_devices {
        args.device.print_list()?;
        return Ok(ExitCode::SUCCESS);
    }

    // Whatever can be refused is refused before the long work.
    let weights = model::load(args.weights.as_deref())?;
    let plan = match args.plan(&weights.config) {
        Ok(plan) => plan,
        Err(complaint) => return Ok(usage(&complaint)),
    };
    check_writable(&args.out).context("--out")?;
    if let Some(path) = &args.save_tensor {
        check_writable(path).context("--save-tensor")?;
    }
    args.trace.check()?;
    picture(&plan, &plan.blank(), args.scale)?;

    let device = args.trace.open(&args.device)?;
    say(format_args!("Sampling on {device} with {}", model::describe(args.weights.as_deref(), &weights.config)));
    let start = Instant::now();
    let (panels, evaluations) = draw::draw(&device, &weights, &plan, args)?;
    let seconds = start.elapsed().as_secs_f64();

    let picture = picture(&plan, &panels, args.scale)?;
    if let Some(path) = &args.save_tensor {
        save_tensors(path, &plan, &panels).context("--save-tensor")?;
        say(format_args!("Wrote {} (the numbers of the images, and their labels)", path.display()));
    }
    save_png(&args.out, &picture).context("--out")?;
    if !args.no_show {
        show(&picture);
    }
    let (steps, evaluations) = (args.flow.describe(), counted(evaluations, "evaluation"));
    let memory = device.memory().peak_held as f64 / 1_048_576.0;
    say(format_args!(
        "Wrote {} ({plan}, {steps}, {evaluations} an image, {seconds:.1} s, at most {memory:.1} MiB of device memory)",
        args.out.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Complains about flags that cannot be meant, in the way and with the status that clap does.
fn usage(complaint: &str) -> ExitCode {
    // Where standard error is closed there is nobody left to tell.
    let _ = clap::Error::raw(ErrorKind::ValueValidation, format!("{complaint}\n")).print();
    ExitCode::from(2)
}
