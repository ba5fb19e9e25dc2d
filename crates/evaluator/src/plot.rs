//! Curves of figures.

use anyhow::{Result, anyhow};
use image::{DynamicImage, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::evaluate::Figures;

const SIZE: (u32, u32) = (1000, 420);

/// Two charts side by side, the values evenly apart: Fréchet distance; accuracy, precision and recall.
///
/// # Errors
/// What the library that draws reports.
pub fn curves(title: &str, values: &[String], figures: &[Figures]) -> Result<DynamicImage> {
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| anyhow!("the built-in font is damaged"))?;
    let mut pixels = vec![255; (SIZE.0 * SIZE.1 * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area();
        area.fill(&WHITE)?;
        let (left, right) = area.split_horizontally(SIZE.0 / 2);
        let of = |figure: fn(&Figures) -> Option<f64>| figures.iter().map(figure).collect::<Vec<_>>();
        let distance = of(|figures| figures.frechet_distance);
        let highest = distance.iter().flatten().copied().fold(0.0, f64::max);
        chart(&left, title, values, 1.1 * highest.max(0.1), &[("Fréchet distance", distance)])?;
        let shares = [
            ("accuracy", of(|figures| Some(figures.accuracy))),
            ("precision", of(|figures| figures.precision)),
            ("recall", of(|figures| figures.recall)),
        ];
        chart(&right, title, values, 1.02, &shares)?;
        area.present()?;
    }
    let image = RgbImage::from_raw(SIZE.0, SIZE.1, pixels);
    Ok(DynamicImage::ImageRgb8(image.ok_or_else(|| anyhow!("the picture has another size than was asked for"))?))
}

type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;

fn chart(
    area: &Area<'_>,
    title: &str,
    values: &[String],
    highest: f64,
    curves: &[(&str, Vec<Option<f64>>)],
) -> Result<()> {
    let last = values.len().saturating_sub(1) as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(48)
        .build_cartesian_2d(-0.2..last + 0.2, 0.0..highest)?;
    let name = |x: &f64| {
        let index = x.round();
        if (x - index).abs() > 1e-6 { String::new() } else { values.get(index as usize).cloned().unwrap_or_default() }
    };
    chart
        .configure_mesh()
        .x_labels(values.len())
        .x_label_formatter(&name)
        .x_desc(title)
        .label_style(("sans-serif", 15))
        .draw()?;
    for (index, (label, points)) in curves.iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        let points: Vec<(f64, f64)> = points.iter().enumerate().filter_map(|(x, y)| y.map(|y| (x as f64, y))).collect();
        chart
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
            .label(*label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 15))
        .draw()?;
    Ok(())
}
