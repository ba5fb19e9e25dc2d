//! Quality against one setting: curves, and the figures behind them.

use anyhow::{Context, Result, anyhow, ensure};
use dit::Dit;
use flow::Solver;
use programs::{check_writable, save_png, say, write_atomically};
use serde_json::json;

use crate::args::{Drawing, Setting, Sweep};
use crate::evaluate::{Evaluator, Figures};
use crate::{plot, samples};

/// Evaluates every value, and writes the picture and the figures.
///
/// # Errors
/// A sentence for a value that is none or a file that is wrong, and what the device reports.
pub fn sweep(args: &Sweep) -> Result<()> {
    let names = if args.values.is_empty() { defaults(args.over) } else { args.values.clone() };
    let drawings = names.iter().map(|name| with(&args.drawing, args.over, name)).collect::<Result<Vec<_>>>()?;
    let weights = samples::load_weights(&args.weights)?;
    let figures_path = args.out.with_extension("json");
    ensure!(figures_path != args.out, "--out is for a picture, and must not end in .json");
    check_writable(&args.out).context("--out")?;
    check_writable(&figures_path)?;
    let device = args.device.open()?;
    let mut stream = device.stream()?;
    let evaluator = Evaluator::new(&mut stream)?;
    let model = Dit::from_weights(&mut stream, &weights)?;
    // Whatever the value, the same digits are asked for.
    let real = evaluator.floor(&mut stream, [usize::from(args.drawing.count); samples::CLASSES])?;
    let mut all: Vec<Figures> = Vec::new();
    for (name, drawing) in names.iter().zip(&drawings) {
        let drawn = samples::draw(&mut stream, &model, drawing)?;
        let figures = evaluator.figures(&mut stream, &drawn)?;
        say(format_args!("{name}: {}", in_a_line(&figures)));
        all.push(figures);
    }
    say(format_args!("real digits: {}", in_a_line(&real)));
    let title = format!("{:?}", args.over).to_lowercase();
    save_png(&args.out, &plot::curves(&title, &names, &all, &real)?).context("--out")?;
    let points: Vec<_> =
        names.iter().zip(&all).map(|(value, figures)| json!({ "value": value, "figures": figures })).collect();
    let file = json!({ "over": title, "points": points, "real": real });
    write_atomically(&figures_path, |writer| Ok(serde_json::to_writer_pretty(writer, &file)?))?;
    say(format_args!("Wrote {} and {}", args.out.display(), figures_path.display()));
    Ok(())
}

fn in_a_line(figures: &Figures) -> String {
    let Figures { frechet_distance, accuracy, precision, recall, coverage, black_pixels, .. } = *figures;
    let shown = [frechet_distance, Some(accuracy), precision, recall, coverage, Some(black_pixels)]
        .map(|value| value.map_or("–".into(), |value| format!("{value:.3}")));
    let [distance, accuracy, precision, recall, coverage, black] = shown;
    format!(
        "Fréchet distance {distance}, accuracy {accuracy}, precision {precision}, recall {recall}, coverage {coverage}, \
         black {black}"
    )
}

fn defaults(over: Setting) -> Vec<String> {
    match over {
        Setting::Guidance => ["1", "1.5", "2", "3", "4", "6"].map(String::from).to_vec(),
        Setting::Steps => ["5", "10", "20", "50"].map(String::from).to_vec(),
        Setting::Solver => Solver::ALL.map(|solver| solver.name().to_owned()).to_vec(),
    }
}

/// The drawing with one setting at a value.
fn with(drawing: &Drawing, over: Setting, value: &str) -> Result<Drawing> {
    let mut drawing = drawing.clone();
    let wrong = || anyhow!("--values: `{value}` is none for {}", format!("{over:?}").to_lowercase());
    match over {
        Setting::Guidance => {
            drawing.guidance = value.parse().ok().filter(|scale: &f32| scale.is_finite()).ok_or_else(wrong)?;
        }
        Setting::Steps => {
            drawing.flow.steps = value.parse().ok().filter(|steps| (1..=10_000).contains(steps)).ok_or_else(wrong)?;
        }
        Setting::Solver => drawing.flow.solver = value.parse().map_err(|_| wrong())?,
    }
    Ok(drawing)
}
