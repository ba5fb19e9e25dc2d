//! Curves as pictures: of pixels, or as SVG that follows the reader's light or dark theme.

use std::ops::Range;

use anyhow::{Result, anyhow};
use image::{DynamicImage, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

/// Red, green and blue of curves, readable on white and on black.
pub const PALETTE: [[u8; 3]; 4] = [[38, 128, 222], [222, 110, 24], [24, 156, 100], [200, 70, 150]];

/// What a dark theme changes in an SVG. The left sides are the colours in which plotters draws axes, letters and
/// what is behind the legend.
const DARK: &str = r##"<style>@media (prefers-color-scheme: dark) {
svg { background: #1b1e24 } [fill="#000000"] { fill: #d5d8de } [stroke="#000000"] { stroke: #d5d8de }
[fill="#FFFFFF"] { fill: #1b1e24 } }</style>"##;

/// Curves over one pair of axes.
pub struct Chart<'a> {
    /// What the horizontal axis counts.
    pub title: &'a str,
    /// The horizontal axis, from its left end to its right end.
    pub x: Range<f64>,
    /// The vertical axis, from bottom to top.
    pub y: Range<f64>,
    /// About how many numbers the horizontal axis has.
    pub labels: usize,
    /// A number of the horizontal axis as text; empty for none.
    pub label: &'a dyn Fn(f64) -> String,
    /// Where the legend is.
    pub legend: Corner,
    /// The curves, the last on top.
    pub curves: Vec<Curve>,
}

/// Points joined by a line.
pub struct Curve {
    /// As the legend has it.
    pub name: String,
    /// Red, green and blue.
    pub colour: [u8; 3],
    /// From left to right. What is above the chart is drawn at its top.
    pub points: Vec<(f64, f64)>,
    /// Whether each point has a mark of its own.
    pub marked: bool,
}

/// A corner of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Corner {
    /// Above, on the right.
    UpperRight,
    /// Below, on the left.
    LowerLeft,
    /// Below, on the right.
    LowerRight,
}

/// Charts side by side, black on white, in `size` pixels: width and height.
///
/// # Errors
/// What the library that draws reports.
pub fn charts_png(charts: &[Chart<'_>], size: (u32, u32)) -> Result<DynamicImage> {
    let mut pixels = vec![255; (size.0 * size.1 * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        area.fill(&WHITE)?;
        draw(&area, charts)?;
    }
    let image = RgbImage::from_raw(size.0, size.1, pixels);
    Ok(DynamicImage::ImageRgb8(image.ok_or_else(|| anyhow!("the picture has another size than was asked for"))?))
}

/// Charts side by side as SVG, `size` wide and high: without a background, and in light colours where the reader's
/// theme is dark.
///
/// # Errors
/// What the library that draws reports.
pub fn charts_svg(charts: &[Chart<'_>], size: (u32, u32)) -> Result<String> {
    let mut svg = String::new();
    draw(&SVGBackend::with_string(&mut svg, size).into_drawing_area(), charts)?;
    let opened = svg.find('>').ok_or_else(|| anyhow!("the picture is no SVG"))? + 1;
    svg.insert_str(opened, DARK);
    Ok(svg)
}

fn draw<B: DrawingBackend>(area: &DrawingArea<B, Shift>, charts: &[Chart<'_>]) -> Result<()>
where
    B::ErrorType: 'static,
{
    register_font("sans-serif", FontStyle::Normal, dejavu::sans::regular())
        .map_err(|_| anyhow!("the built-in font is damaged"))?;
    for (area, chart) in area.split_evenly((1, charts.len())).iter().zip(charts) {
        draw_chart(area, chart)?;
    }
    Ok(area.present()?)
}

fn draw_chart<B: DrawingBackend>(area: &DrawingArea<B, Shift>, chart: &Chart<'_>) -> Result<()>
where
    B::ErrorType: 'static,
{
    let mut context = ChartBuilder::on(area)
        .margin(16)
        .x_label_area_size(44)
        .y_label_area_size(48)
        .build_cartesian_2d(chart.x.clone(), chart.y.clone())?;
    context
        .configure_mesh()
        .max_light_lines(1)
        .x_labels(chart.labels)
        .x_label_formatter(&|x| (chart.label)(*x))
        .x_desc(chart.title)
        .label_style(("sans-serif", 15))
        .draw()?;
    for curve in &chart.curves {
        let [red, green, blue] = curve.colour;
        let colour = RGBColor(red, green, blue);
        let points: Vec<(f64, f64)> = curve.points.iter().map(|(x, y)| (*x, y.min(chart.y.end))).collect();
        context
            .draw_series(LineSeries::new(points.clone(), colour.stroke_width(2)))?
            .label(&curve.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
        if curve.marked {
            context.draw_series(points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
        }
    }
    let position = match chart.legend {
        Corner::UpperRight => SeriesLabelPosition::UpperRight,
        Corner::LowerLeft => SeriesLabelPosition::LowerLeft,
        Corner::LowerRight => SeriesLabelPosition::LowerRight,
    };
    context
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 15))
        .draw()?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn chart(points: &[(f64, f64)]) -> Chart<'static> {
        Chart {
            title: "step <&>",
            x: 0.0..10.0,
            y: 0.0..1.0,
            labels: 5,
            label: &|x| format!("{x}"),
            legend: Corner::UpperRight,
            curves: vec![Curve { name: "loss".into(), colour: PALETTE[0], points: points.to_vec(), marked: true }],
        }
    }

    #[test]
    fn a_chart_of_pixels_shows_its_curve_where_it_is() {
        let size = (301, 203);
        let coloured = |points: &[(f64, f64)]| -> Vec<(u32, u32)> {
            let image = charts_png(&[chart(points)], size).unwrap().to_rgb8();
            assert_eq!(image.dimensions(), size);
            let marks = image.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 == PALETTE[0]);
            marks.map(|(x, y, _)| (x, y)).collect()
        };
        let legend = coloured(&[]).len();
        let low = coloured(&[(2.0, 0.1)]);
        assert!(low.len() > legend + 20, "a mark has more than 20 pixels: {} of {legend}", low.len());
        assert!(low.iter().any(|(x, y)| *x < 150 && *y > 100), "a low mark on the left");
        let above = coloured(&[(2.0, 7.0)]);
        assert!(above.iter().any(|(x, y)| *x < 150 && *y < 30), "what is above the chart is at its top");
    }

    #[test]
    fn a_chart_as_svg_escapes_text_and_knows_both_themes() {
        let two = [chart(&[(0.0, 0.5), (10.0, 0.25)]), chart(&[])];
        let svg = charts_svg(&two, (640, 200)).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
        assert_eq!(svg.matches("step &lt;&amp;&gt;").count(), 2);
        assert!(svg.contains("prefers-color-scheme: dark"));
        // What the theme changes is named as plotters names it.
        for colour in [r##"fill="#000000""##, r##"stroke="#000000""##, r##"fill="#FFFFFF""##] {
            assert!(svg.matches(colour).count() > 1, "{colour}: {svg}");
        }
    }
}
