//! `evaluator`: what a trained diffusion transformer's digits are worth, beside what real digits get.

mod args;
mod classifier;
mod evaluate;
mod metrics;
mod plot;
mod report;
mod samples;
mod sweep;
mod velocity;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Parser;
use dit::Dit;
use programs::{check_writable, counted, say, write_atomically};

use args::{Arguments, Command, Evaluate, TrainClassifier};
use classifier::{Classifier, TrainOptions, train};
use evaluate::{Evaluator, agreement};

/// Held-out digits at once, when their loss is taken.
const LOSS_BATCH: usize = 50;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    programs::run(|| {
        if arguments.device().list_devices {
            arguments.device().print_list()?;
            return Ok(ExitCode::SUCCESS);
        }
        match &arguments.command {
            Some(Command::Sweep(args)) => sweep::sweep(args)?,
            Some(Command::Velocity(args)) => velocity::velocity(args)?,
            Some(Command::TrainClassifier(args)) => train_classifier(args)?,
            None => evaluate(&arguments.evaluate)?,
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn evaluate(args: &Evaluate) -> Result<()> {
    let weights = args.weights.as_deref().map(samples::load_weights).transpose()?;
    let read = args.samples.as_deref().map(samples::read).transpose()?;
    args.json.as_ref().map_or(Ok(()), check_writable)?;
    let device = args.device.open()?;
    let mut stream = device.stream()?;
    let start = Instant::now();
    let evaluator = Evaluator::new(&mut stream)?;
    say(format_args!("Evaluating on {device} with a classifier of accuracy {:.4}", evaluator.accuracy()));
    let model = weights.map(|weights| Dit::from_weights(&mut stream, &weights)).transpose()?;
    let samples = match (&model, read) {
        (_, Some(samples)) => samples,
        (Some(model), None) => samples::draw(&mut stream, model, &args.drawing)?,
        (None, None) => bail!("there is nothing to evaluate; give --weights or --samples"),
    };
    let figures = evaluator.figures(&mut stream, &samples)?;
    let real = evaluator.floor(&mut stream, samples.counts())?;
    let held_out = evaluator.test_digits([100; samples::CLASSES])?;
    let losses = match model {
        Some(model) => Some(flow::loss_by_time(&mut stream, &model, &held_out.images, &held_out.labels, LOSS_BATCH)?),
        None => None,
    };
    report::print(&figures, &real, losses.as_ref());
    say(format_args!("{}, {:.1} s", counted(samples.labels.len(), "digit"), start.elapsed().as_secs_f64()));
    if let Some(path) = &args.json {
        let json = report::json(&figures, &real, losses.as_ref(), evaluator.accuracy());
        write_atomically(path, |writer| Ok(serde_json::to_writer_pretty(writer, &json)?))?;
        say(format_args!("Wrote {}", path.display()));
    }
    Ok(())
}

fn train_classifier(args: &TrainClassifier) -> Result<()> {
    check_writable(&args.out)?;
    let splits = datasets::mnist()?;
    let device = args.device.open()?;
    let mut stream = device.stream()?;
    let start = Instant::now();
    say(format_args!("Training the classifier on {device}"));
    let options = TrainOptions { epochs: usize::from(args.epochs), seed: args.seed };
    let weights = train(&mut stream, &splits.train, options, |epoch, loss| {
        say(format_args!("epoch {epoch} of {}: loss {loss:.4}, {:.0} s", args.epochs, start.elapsed().as_secs_f64()));
    })?;
    let classifier = Classifier::new(&mut stream, weights.config, &weights.values)?;
    let output = classifier.classify(&mut stream, splits.test.images())?;
    let accuracy = agreement(&output.classes, splits.test.labels());
    let bytes = weights.to_bytes()?;
    write_atomically(&args.out, |writer| writer.write_all(&bytes))?;
    say(format_args!("Wrote {} (accuracy {accuracy:.4} on the test digits)", args.out.display()));
    Ok(())
}
