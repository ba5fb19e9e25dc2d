//! The figures as a table for people and as JSON.

use comfy_table::{CellAlignment, Table, presets};
use flow::TIME_BINS;
use programs::say;
use serde_json::{Value as Json, json};

use crate::evaluate::Figures;

/// Prints the figures beside those of real digits.
pub fn print(figures: &Figures, real: &Figures, losses: Option<&[f64; TIME_BINS]>) {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["", "these", "real", ""]);
    let pair = |of: fn(&Figures) -> f64| [Some(of(figures)), Some(of(real))];
    let option = |of: fn(&Figures) -> Option<f64>| [of(figures), of(real)];
    let rows = [
        ("accuracy", pair(|f| f.accuracy), "share taken for the digit asked for"),
        (
            "Fréchet distance, features",
            option(|f| f.frechet_distance),
            "to 10,000 test digits; the real column is the floor",
        ),
        ("Fréchet distance, pixels", option(|f| f.frechet_distance_pixels), "likewise, of pixels pooled 4×4"),
        ("precision", option(|f| f.precision), "share that looks real (k = 3)"),
        ("recall", option(|f| f.recall), "share of real digits that could be drawn (k = 3)"),
        ("density", option(|f| f.density), "as precision, but for outliers (k = 5)"),
        ("coverage", option(|f| f.coverage), "share of real digits with one nearby (k = 5)"),
        ("nearest training digit", pair(|f| f.nearest_training_digit), "median L2; real: test digits"),
        ("near copies", pair(|f| f.near_copies), "share nearer than 1 % of test digits are"),
        ("near one another", option(|f| f.near_one_another), "share nearer than 1 % of test digits are"),
        ("duplicates", pair(|f| f.duplicates as f64), "digits that are there twice"),
        ("black pixels", pair(|f| f.black_pixels), "share exactly 0 of 255"),
        ("background level", pair(|f| f.background_level), "mean of pixels below 26 of 255"),
    ];
    let shown = |value: Option<f64>| value.map_or("–".into(), |value| format!("{value:.3}"));
    for (name, [these, real], meaning) in rows {
        table.add_row([name.to_owned(), shown(these), shown(real), meaning.to_owned()]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        let number = index == 1 || index == 2;
        column.set_cell_alignment(if number { CellAlignment::Right } else { CellAlignment::Left });
    }
    table.lines().for_each(|line| say(line.trim_end()));
    if let Some(losses) = losses {
        let losses: Vec<String> = losses.iter().map(|loss| format!("{loss:.3}")).collect();
        say(format_args!("loss by tenth of time, from noise to image: {}", losses.join(" ")));
    }
}

/// The figures as they are written to a file.
pub fn json(figures: &Figures, real: &Figures, losses: Option<&[f64; TIME_BINS]>, classifier_accuracy: f64) -> Json {
    json!({
        "figures": figures,
        "real": real,
        "loss_by_time": losses,
        "classifier_test_accuracy": classifier_accuracy,
    })
}
