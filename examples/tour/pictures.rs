//! Numbers as pictures: heat maps in which black is zero, warm is positive and cold negative.

use std::convert::Infallible;
use std::io::{self, Write};
use std::path::Path;

use embedded_graphics::mono_font::MonoTextStyle;
use embedded_graphics::mono_font::iso_8859_1::FONT_6X10;
use embedded_graphics::pixelcolor::{Gray8, GrayColor};
use embedded_graphics::prelude::{DrawTarget, Drawable, OriginDimensions, Pixel, Point, Size};
use embedded_graphics::text::{Baseline, Text};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, Rgb, RgbImage, imageops};
use programs::{FileError, write_atomically};

use crate::walk::Matrix;

const BACKGROUND: Rgb<u8> = Rgb([40; 3]);
/// Around panels, and between them.
const GAP: u32 = 6;
/// Where a panel's picture begins, below its label.
const LABEL: u32 = 12;

/// A picture with a line above it.
pub struct Panel {
    pub label: String,
    pub image: RgbImage,
}

/// A panel of any picture.
pub fn panel(label: impl Into<String>, image: RgbImage) -> Panel {
    Panel { label: label.into(), image }
}

/// A heat map with `scale` pixels along and down for each number, and in its label which magnitude is brightest:
/// the largest, but for one number in a thousand.
pub fn heat(label: &str, matrix: &Matrix, scale: [u32; 2]) -> Panel {
    let limit = limit(&matrix.values);
    panel(format!("{label}  ±{}", short(limit)), heat_map(matrix, scale, limit))
}

/// A number for a label.
pub fn short(limit: f32) -> String {
    if limit < 0.01 { format!("{limit:.0e}") } else { format!("{limit:.2}") }
}

/// The magnitude that all but one of a thousand numbers stay within.
pub fn limit(values: &[f32]) -> f32 {
    let mut magnitudes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    magnitudes.sort_by(f32::total_cmp);
    magnitudes[((magnitudes.len() - 1) * 999).div_ceil(1000)]
}

/// A heat map in which ±`limit` is brightest.
pub fn heat_map(matrix: &Matrix, [along, down]: [u32; 2], limit: f32) -> RgbImage {
    let (width, height) = (matrix.columns as u32 * along, matrix.rows as u32 * down);
    RgbImage::from_fn(width, height, |x, y| {
        colour(matrix.row((y / down) as usize)[(x / along) as usize] / limit.max(f32::MIN_POSITIVE))
    })
}

/// The colour of a number in [−1, 1], in 32 steps to either side: what is beyond is as bright as the ends.
fn colour(value: f32) -> Rgb<u8> {
    const WARM: [[f32; 3]; 3] = [[0.0, 0.0, 0.0], [214.0, 82.0, 30.0], [255.0, 236.0, 190.0]];
    const COLD: [[f32; 3]; 3] = [[0.0, 0.0, 0.0], [36.0, 104.0, 214.0], [198.0, 236.0, 255.0]];
    let stops = if value < 0.0 { COLD } else { WARM };
    let place = (value.abs().min(1.0) * 32.0).round() / 16.0;
    let (stop, share) = if place < 1.0 { (0, place) } else { (1, place - 1.0) };
    Rgb([0, 1, 2].map(|channel| (stops[stop][channel] * (1.0 - share) + stops[stop + 1][channel] * share) as u8))
}

/// An image of values in [−1, 1] in grey.
pub fn grey(values: &[f32], side: usize, scale: u32) -> RgbImage {
    let side_drawn = side as u32 * scale;
    RgbImage::from_fn(side_drawn, side_drawn, |x, y| {
        Rgb([((values[(y / scale) as usize * side + (x / scale) as usize] + 1.0) * 127.5).round() as u8; 3])
    })
}

/// Small pictures in rows of `columns`, `gap` pixels of background between them.
pub fn grid(tiles: &[RgbImage], columns: usize, gap: u32) -> RgbImage {
    let (width, height) = (tiles[0].width() + gap, tiles[0].height() + gap);
    let rows = tiles.len().div_ceil(columns);
    let mut sheet = RgbImage::from_pixel(columns as u32 * width - gap, rows as u32 * height - gap, BACKGROUND);
    for (index, tile) in tiles.iter().enumerate() {
        let (column, row) = ((index % columns) as u32, (index / columns) as u32);
        imageops::replace(&mut sheet, tile, i64::from(column * width), i64::from(row * height));
    }
    sheet
}

/// Rows of panels.
pub fn sheet(rows: &[Vec<Panel>]) -> DynamicImage {
    let panel_width = |panel: &Panel| panel.image.width().max(6 * panel.label.chars().count() as u32) + GAP;
    let row_height = |row: &Vec<Panel>| row.iter().map(|panel| panel.image.height()).max().unwrap_or(0) + LABEL + GAP;
    let width = rows.iter().map(|row| row.iter().map(panel_width).sum::<u32>()).max().unwrap_or(0) + GAP;
    let height = rows.iter().map(row_height).sum::<u32>() + GAP;
    let mut canvas = Canvas(RgbImage::from_pixel(width, height, BACKGROUND));
    let mut top = GAP;
    for row in rows {
        let mut left = GAP;
        for panel in row {
            let style = MonoTextStyle::new(&FONT_6X10, Gray8::WHITE);
            let corner = Point::new(left as i32, top as i32);
            let Ok(_) = Text::with_baseline(&panel.label, corner, style, Baseline::Top).draw(&mut canvas);
            imageops::replace(&mut canvas.0, &panel.image, i64::from(left), i64::from(top + LABEL));
            left += panel_width(panel);
        }
        top += row_height(row);
    }
    DynamicImage::ImageRgb8(canvas.0)
}

/// Writes a picture as PNG, as small as it gets: few colours in large pixels want no filter.
pub fn save(path: &Path, picture: &DynamicImage) -> Result<(), FileError> {
    write_atomically(path, |writer: &mut dyn Write| {
        let encoder = PngEncoder::new_with_quality(writer, CompressionType::Best, FilterType::NoFilter);
        picture.write_with_encoder(encoder).map_err(io::Error::other)
    })
}

/// A picture that text can be drawn on.
struct Canvas(RgbImage);

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Gray8;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Gray8>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(point, grey) in pixels {
            if let Some(pixel) = self.0.get_pixel_mut_checked(point.x as u32, point.y as u32) {
                *pixel = Rgb([grey.luma(); 3]);
            }
        }
        Ok(())
    }
}
