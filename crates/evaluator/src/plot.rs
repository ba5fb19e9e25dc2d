//! Curves of figures.

use anyhow::Result;
use image::DynamicImage;
use programs::{Chart, Corner, Curve, PALETTE, charts_png};

use crate::evaluate::Figures;

const SIZE: (u32, u32) = (1000, 420);

/// The colour of what real digits get.
const GREY: [u8; 3] = [150; 3];

/// Two charts side by side, the values evenly apart: Fréchet distance, with that of as many `real` digits as a level
/// line; accuracy, precision, recall and coverage.
///
/// # Errors
/// What the library that draws reports.
pub fn curves(title: &str, values: &[String], figures: &[Figures], real: &Figures) -> Result<DynamicImage> {
    let last = values.len().saturating_sub(1) as f64;
    let label = |x: f64| {
        let index = x.round();
        if (x - index).abs() > 1e-6 { String::new() } else { values.get(index as usize).cloned().unwrap_or_default() }
    };
    let curve = |index: usize, name: &str, figure: fn(&Figures) -> Option<f64>| {
        let points = figures.iter().enumerate().filter_map(|(x, figures)| Some((x as f64, figure(figures)?))).collect();
        Curve { name: name.to_owned(), colour: PALETTE[index], points, marked: true }
    };
    let chart = |highest: f64, curves: Vec<Curve>| {
        let (x, y, labels) = (-0.2..last + 0.2, 0.0..highest, values.len());
        Chart { title, x, y, labels, label: &label, legend: Corner::LowerRight, curves }
    };
    let highest = figures.iter().chain([real]).filter_map(|figures| figures.frechet_distance).fold(0.0, f64::max);
    let floor = real.frechet_distance.map(|y| {
        let points = vec![(-0.2, y), (last + 0.2, y)];
        Curve { name: "of real digits".into(), colour: GREY, points, marked: false }
    });
    let distance = curve(0, "Fréchet distance", |figures| figures.frechet_distance);
    let distance = floor.into_iter().chain([distance]).collect();
    let shares = vec![
        curve(0, "accuracy", |figures| Some(figures.accuracy)),
        curve(1, "precision", |figures| figures.precision),
        curve(2, "recall", |figures| figures.recall),
        curve(3, "coverage", |figures| figures.coverage),
    ];
    charts_png(&[chart(1.1 * highest.max(0.1), distance), chart(1.02, shares)], SIZE)
}
