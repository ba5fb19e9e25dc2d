//! Draws images with a trained diffusion transformer: a picture of them, of what lies between them, or of the
//! way to them; and their numbers if asked for.

mod args;
mod compare;
mod draw;
mod grid;
mod interpolate;
mod lists;
mod model;
mod note;
mod output;
mod plan;
mod prompt;
mod request;
mod settings;
mod trajectory;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use image::DynamicImage;
use programs::{PictureError, check_new_folder, check_writable, counted, save_gif, save_png_with_note, say, show};
use runtime::Device;

use crate::args::Args;
use crate::model::Model;
use crate::note::{KEYWORD, Note, Shows};
use crate::output::{is_gif, picture, save_folder, save_tensors, there_and_back};
use crate::plan::Plan;
use crate::request::{Request, usage};
use crate::trajectory::TrajectoryFile;

fn main() -> ExitCode {
    programs::run(|| {
        sampler().or_else(|error| {
            // Complaints about flags, but also --help, which is no failure.
            let error = error.downcast::<clap::Error>()?;
            // Where standard error is closed there is nobody left to tell.
            let _ = error.print();
            Ok(ExitCode::from(error.exit_code() as u8))
        })
    })
}

fn sampler() -> anyhow::Result<ExitCode> {
    let request = Request::read(std::env::args_os().collect())?;
    let args = &request.args;
    if let Some(status) = args.manual.print::<Args>()? {
        return Ok(status);
    }
    if args.device.list_devices {
        args.device.print_list()?;
        return Ok(ExitCode::SUCCESS);
    }

    // Whatever can be refused is refused before the long work.
    let model = model::load(args.weights.as_deref())?;
    let remarks = match (&args.like, &request.like) {
        (Some(path), Some(note)) => note.remarks(path, &model, args.weights.is_some()).context("--like")?,
        _ => Vec::new(),
    };
    let plan = Plan::new(&request, &model.weights.config).map_err(|complaint| usage(&complaint))?;
    args.check_paths().map_err(|complaint| usage(&complaint))?;
    check_places(args, &plan)?;

    let device = args.trace.open(&args.device)?;
    say(format_args!("Sampling on {device} with {}", model::describe(&model.name, &model.weights.config)));
    remarks.iter().for_each(say);
    match &args.trajectory {
        Some(file) => make_trajectory(file, &request, &plan, &model, &device),
        None => make_picture(&request, &plan, &model, &device),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses what could not be written at the end.
fn check_places(args: &Args, plan: &Plan) -> anyhow::Result<()> {
    match &args.trajectory {
        Some(file) => {
            check_writable(file.path()).context("--trajectory")?;
            file.check_size(plan, args.scale)?;
        }
        None => {
            check_writable(&args.out).context("--out")?;
            pictures(args, plan, &plan.blank())?;
        }
    }
    if let Some(path) = &args.save_tensor {
        check_writable(path).context("--save-tensor")?;
    }
    if let Some(path) = &args.folder {
        check_new_folder(path).context("--folder")?;
    }
    args.trace.check()
}

/// The picture, or the frames of an animation, of which there are at least two.
fn pictures(args: &Args, plan: &Plan, panels: &[Vec<f32>]) -> Result<Vec<DynamicImage>, PictureError> {
    match panels {
        [panel] if is_gif(&args.out) => there_and_back(plan, panel, args.scale),
        _ => Ok(vec![picture(plan, panels, args.scale)?]),
    }
}

fn make_picture(request: &Request, plan: &Plan, model: &Model, device: &Device) -> anyhow::Result<()> {
    let Request { args, settings, .. } = request;
    let start = Instant::now();
    let (panels, evaluations) = draw::draw(device, &model.weights, plan, args)?;
    let seconds = start.elapsed().as_secs_f64();

    let pictures = pictures(args, plan, &panels)?;
    if let Some(path) = &args.save_tensor {
        save_tensors(path, plan, &panels).context("--save-tensor")?;
        say(format_args!("Wrote {} (the numbers of the images, and their labels)", path.display()));
    }
    if let Some(path) = &args.folder {
        save_folder(path, plan, &panels).context("--folder")?;
        say(format_args!("Wrote {} (a file for each image)", path.display()));
    }
    let note = Note::new(model, device, Shows::Images, settings).text()?;
    match &pictures[..] {
        [picture] => save_png_with_note(&args.out, picture, KEYWORD, &note),
        frames => save_gif(&args.out, frames, &[0, plan.columns - 1], &note),
    }
    .context("--out")?;
    if let (false, Some(first)) = (args.no_show, pictures.first()) {
        show(first);
    }
    let most = if plan.variants.len() > 1 { "at most " } else { "" };
    let evaluations = format!("{most}{}", counted(evaluations, "evaluation"));
    say(format_args!("Wrote {} ({plan}, {evaluations} an image, {})", args.out.display(), cost(seconds, device)));
    Ok(())
}

fn make_trajectory(
    file: &TrajectoryFile,
    request: &Request,
    plan: &Plan,
    model: &Model,
    device: &Device,
) -> anyhow::Result<()> {
    let Request { args, settings, .. } = request;
    let start = Instant::now();
    let moments = draw::draw_trajectory(device, &model.weights, plan, args, file.moments())?;
    let seconds = start.elapsed().as_secs_f64();

    let pictures = file.pictures(plan, &moments, args.scale)?;
    let note = Note::new(model, device, Shows::Trajectory, settings).text()?;
    file.save(&pictures, &note).context("--trajectory")?;
    if let (false, Some(last)) = (args.no_show, pictures.last()) {
        show(last);
    }
    let path = file.path().display();
    say(format_args!("Wrote {path} ({} moments of {plan}, {})", moments.len(), cost(seconds, device)));
    Ok(())
}

fn cost(seconds: f64, device: &Device) -> String {
    let memory = device.memory().peak_held as f64 / 1_048_576.0;
    format!("{seconds:.1} s, at most {memory:.1} MiB of device memory")
}
