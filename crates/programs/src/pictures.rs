//! Sheets of images: grids side by side, each under its title.

use std::{
    io::{self, Write},
    path::Path,
};

use embedded_graphics::{
    mono_font::{
        MonoFont, MonoTextStyle,
        iso_8859_1::{FONT_6X10, FONT_10X20},
    },
    pixelcolor::{Gray8, GrayColor},
    prelude::{DrawTarget, Drawable, OriginDimensions, Pixel, Point, Size},
    text::{Baseline, Text},
};
use image::{DynamicImage, GrayImage, ImageError, RgbImage, codecs::png::PngEncoder};

use crate::{FileError, write_atomically};

/// Between and around the tiles.
const BACKGROUND: u8 = 40;
/// The titles.
const INK: Gray8 = Gray8::WHITE;
/// The most pixels of a sheet; a guard against asking for more memory than anyone has.
const PIXEL_LIMIT: u64 = 1 << 28;

/// Why a sheet could not be made. Each displays as one sentence that says what to do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// A batch is not a whole number of images, at least one.
    #[error(
        "{values} values are not a batch of {channels}x{side}x{side} images; \
         give a whole number of images of 1 or 3 channels"
    )]
    Shape {
        /// Values given.
        values: usize,
        /// Channels asked for.
        channels: usize,
        /// Side asked for in pixels.
        side: usize,
    },
    /// There is nothing to show.
    #[error("a sheet needs panels with at least one image and one column each, and a scale of at least 1; give those")]
    Nothing,
    /// The images differ in size.
    #[error("a sheet holds images of one size, not of {first} and of {other} pixels a side; make two sheets")]
    Mixed {
        /// Side of the first image in pixels.
        first: u32,
        /// Another side found.
        other: u32,
    },
    /// The sheet would be too large.
    #[error("a sheet of {width}x{height} pixels is too large; show fewer images or a smaller scale")]
    TooLarge {
        /// Width it would have in pixels.
        width: u64,
        /// Height it would have in pixels.
        height: u64,
    },
}

/// One square image, grey or in colour, ready to be placed on a sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// 1 or 3.
    channels: usize,
    side: u32,
    /// channels·side·side bytes, channel-major.
    bytes: Vec<u8>,
}

impl Tile {
    /// The images of a batch: `values` are N·C·S·S numbers in row-major (N, C, S, S) order, in [-1, 1];
    /// C is 1 or 3. Gives N tiles; a single image is a batch of one.
    ///
    /// # Errors
    /// When `values` are not a whole number of such images, at least one.
    pub fn batch(values: &[f32], channels: usize, side: usize) -> Result<Vec<Self>, PictureError> {
        let refused = PictureError::Shape { values: values.len(), channels, side };
        let size = channels.checked_mul(side).and_then(|size| size.checked_mul(side));
        match (size, u32::try_from(side)) {
            (Some(size), Ok(side))
                if matches!(channels, 1 | 3) && size > 0 && !values.is_empty() && values.len().is_multiple_of(size) =>
            {
                let tile = |image: &[f32]| Self { channels, side, bytes: image.iter().copied().map(to_byte).collect() };
                Ok(values.chunks_exact(size).map(tile).collect())
            }
            _ => Err(refused),
        }
    }

    /// The side in pixels.
    pub(crate) fn side(&self) -> u32 {
        self.side
    }

    /// Whether it is in colour.
    pub(crate) fn is_colour(&self) -> bool {
        self.channels == 3
    }

    /// Red, green and blue at a pixel; all the same where the tile is grey.
    fn at(&self, x: u32, y: u32) -> [u8; 3] {
        let plane = self.bytes.len() / self.channels;
        let pixel = (y * self.side + x) as usize;
        [0, 1, 2].map(|channel| self.bytes[channel % self.channels * plane + pixel])
    }
}

/// A grid of tiles, filled row by row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panel {
    /// One line above the grid, such as `guidance 3`; Latin-1 characters, others appear as `?`.
    pub title: Option<String>,
    /// Tiles in a row; at least 1. A panel with fewer tiles is as wide as they are.
    pub columns: usize,
    /// At least one tile.
    pub images: Vec<Tile>,
}

/// How large tiles are drawn and how far apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Pixels of the sheet to a pixel of a tile, along each side; at least 1.
    pub scale: u32,
    /// Pixels of the sheet around every tile and title; panels stand a few times as far apart.
    pub padding: u32,
}

impl Default for Layout {
    /// Images of 28 pixels, large enough to look at.
    fn default() -> Self {
        Self { scale: 3, padding: 2 }
    }
}

/// Draws panels side by side, tops aligned, each under its title if it has one.
///
/// Gives an 8-bit grey image where every tile is grey, else an 8-bit RGB one. With scale 1 and padding 0
/// an untitled panel is exactly its tiles edge to edge, so a tool can cut the sheet apart again.
///
/// # Errors
/// When there is nothing to show, images differ in size, or the sheet would pass 2^28 pixels.
pub fn contact_sheet(panels: &[Panel], layout: Layout) -> Result<DynamicImage, PictureError> {
    let mut tiles = panels.iter().flat_map(|panel| &panel.images);
    let first = tiles.next().ok_or(PictureError::Nothing)?.side;
    if let Some(other) = tiles.find(|tile| tile.side != first) {
        return Err(PictureError::Mixed { first, other: other.side });
    }
    if layout.scale == 0 || panels.iter().any(|panel| panel.columns == 0 || panel.images.is_empty()) {
        return Err(PictureError::Nothing);
    }
    let measures = Measures::new(panels, layout, first);
    let (width, height) = measures.sheet();
    let mut canvas = Canvas::new(width, height)?;
    let mut left = 0;
    for (panel, &panel_width) in panels.iter().zip(&measures.panel_widths) {
        draw_panel(&mut canvas, panel, &measures, left as u32);
        left += panel_width + measures.gap;
    }
    Ok(canvas.finish(panels.iter().flat_map(|panel| &panel.images).any(Tile::is_colour)))
}

/// Writes a picture as PNG, atomically.
///
/// # Errors
/// As [`write_atomically`].
pub fn save_png(path: impl AsRef<Path>, image: &DynamicImage) -> Result<(), FileError> {
    write_atomically(path, |writer: &mut dyn Write| {
        image.write_with_encoder(PngEncoder::new(writer)).map_err(|error| match error {
            ImageError::IoError(error) => error,
            other => io::Error::other(other),
        })
    })
}

/// A brightness in [-1, 1] (what is beyond is clamped) as the nearest of 0 to 255; NaN gives 0.
pub fn to_byte(value: f32) -> u8 {
    // The cast clamps, and takes NaN to 0.
    ((value + 1.0) * 127.5).round() as u8
}

/// Where things stand on a sheet, in pixels; u64, so that no request can overflow.
struct Measures {
    scale: u32,
    padding: u64,
    /// Side of a tile as drawn.
    tile: u64,
    font: &'static MonoFont<'static>,
    /// From the top of the sheet to the top of the grids.
    top: u64,
    panel_widths: Vec<u64>,
    grid_heights: Vec<u64>,
    /// Between two panels.
    gap: u64,
}

impl Measures {
    fn new(panels: &[Panel], layout: Layout, side: u32) -> Self {
        let padding = u64::from(layout.padding);
        let tile = u64::from(side) * u64::from(layout.scale);
        let font = font(tile);
        let along = |tiles: u64| tiles.saturating_mul(tile.saturating_add(padding)).saturating_add(padding);
        let letter = font.character_size;
        let title_width = |panel: &Panel| {
            let letters = panel.title.as_ref().map_or(0, |title| title.chars().count() as u64);
            letters * u64::from(letter.width) + 2 * padding
        };
        let titled = panels.iter().any(|panel| panel.title.is_some());
        Self {
            scale: layout.scale,
            padding,
            tile,
            font,
            top: if titled { padding + u64::from(letter.height) } else { 0 },
            panel_widths: panels
                .iter()
                .map(|panel| {
                    let columns = panel.columns.min(panel.images.len()) as u64;
                    along(columns).max(title_width(panel))
                })
                .collect(),
            grid_heights: panels.iter().map(|panel| along(panel.images.len().div_ceil(panel.columns) as u64)).collect(),
            gap: 4 * padding,
        }
    }

    /// Width and height of the sheet.
    fn sheet(&self) -> (u64, u64) {
        let gaps = self.gap * (self.panel_widths.len() as u64 - 1);
        let width = self.panel_widths.iter().fold(gaps, |sum, &width| sum.saturating_add(width));
        let tallest = self.grid_heights.iter().copied().max().unwrap_or(0);
        (width, tallest.saturating_add(self.top))
    }
}

/// Draws a panel whose left edge is at `left`; the canvas is large enough.
fn draw_panel(canvas: &mut Canvas, panel: &Panel, measures: &Measures, left: u32) {
    let padding = measures.padding as u32;
    if let Some(title) = &panel.title {
        canvas.write(title, left + padding, padding, measures.font);
    }
    let (tile_size, top) = (measures.tile as u32, measures.top as u32);
    for (index, tile) in panel.images.iter().enumerate() {
        let (row, column) = (index / panel.columns, index % panel.columns);
        let tile_left = left + padding + column as u32 * (tile_size + padding);
        let tile_top = top + padding + row as u32 * (tile_size + padding);
        canvas.place(tile, tile_left, tile_top, measures.scale);
    }
}

/// A picture that tiles and text can be drawn on.
pub(crate) struct Canvas(RgbImage);

impl Canvas {
    /// An empty one, unless that would be too large.
    pub(crate) fn new(width: u64, height: u64) -> Result<Self, PictureError> {
        let fits = width.checked_mul(height).is_some_and(|pixels| pixels <= PIXEL_LIMIT);
        match (u32::try_from(width), u32::try_from(height)) {
            (Ok(width), Ok(height)) if fits => {
                Ok(Self(RgbImage::from_pixel(width, height, image::Rgb([BACKGROUND; 3]))))
            }
            _ => Err(PictureError::TooLarge { width, height }),
        }
    }

    /// Draws a tile, each of its pixels as `scale` by `scale`.
    pub(crate) fn place(&mut self, tile: &Tile, left: u32, top: u32, scale: u32) {
        for y in 0..tile.side * scale {
            for x in 0..tile.side * scale {
                self.0.put_pixel(left + x, top + y, image::Rgb(tile.at(x / scale, y / scale)));
            }
        }
    }

    /// Writes a line; what does not fit is cut off.
    pub(crate) fn write(&mut self, text: &str, left: u32, top: u32, font: &MonoFont) {
        let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let corner = Point::new(left as i32, top as i32);
        let Ok(_) = Text::with_baseline(&line, corner, MonoTextStyle::new(font, INK), Baseline::Top).draw(self);
    }

    /// The picture: 8-bit RGB if it is to have `colour`, else grey.
    pub(crate) fn finish(self, colour: bool) -> DynamicImage {
        let Self(picture) = self;
        if colour {
            return DynamicImage::ImageRgb8(picture);
        }
        let grey = |x, y| image::Luma([picture.get_pixel(x, y)[0]]);
        DynamicImage::ImageLuma8(GrayImage::from_fn(picture.width(), picture.height(), grey))
    }
}

/// The font that goes with tiles of a size in pixels.
pub(crate) fn font(tile: u64) -> &'static MonoFont<'static> {
    if tile < 64 { &FONT_6X10 } else { &FONT_10X20 }
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.0.width(), self.0.height())
    }
}

impl DrawTarget for Canvas {
    type Color = Gray8;
    type Error = std::convert::Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Gray8>>>(&mut self, pixels: I) -> Result<(), Self::Error> {
        for Pixel(point, grey) in pixels {
            let (Ok(x), Ok(y)) = (u32::try_from(point.x), u32::try_from(point.y)) else {
                continue;
            };
            if let Some(pixel) = self.0.get_pixel_mut_checked(x, y) {
                *pixel = image::Rgb([grey.luma(); 3]);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const EXACT: Layout = Layout { scale: 1, padding: 0 };

    /// `count` grey tiles; every pixel of tile i, from 0, is i.
    fn flat_tiles(count: usize, side: usize) -> Vec<Tile> {
        let values: Vec<f32> = (0..count * side * side).map(|i| (i / (side * side)) as f32 / 127.5 - 1.0).collect();
        Tile::batch(&values, 1, side).unwrap()
    }

    fn panel(columns: usize, images: Vec<Tile>) -> Panel {
        Panel { title: None, columns, images }
    }

    fn titled(title: &str, columns: usize, images: Vec<Tile>) -> Panel {
        Panel { title: Some(title.to_owned()), ..panel(columns, images) }
    }

    #[test]
    fn brightness_is_clamped_and_rounded() {
        let cases = [(-1.0, 0), (1.0, 255), (0.0, 128), (-1.5, 0), (7.0, 255), (-0.998, 0), (-0.994, 1)];
        for (value, byte) in cases {
            assert_eq!(to_byte(value), byte, "{value}");
        }
        assert_eq!([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(to_byte), [0, 255, 0]);
    }

    #[test]
    fn every_byte_survives_the_way_through_minus_one_to_one() {
        for byte in 0..=255 {
            assert_eq!(to_byte(f32::from(byte) / 127.5 - 1.0), byte);
        }
    }

    #[test]
    fn an_untitled_sheet_is_exactly_its_tiles() {
        let values: Vec<f32> = (0..24u8).map(|i| f32::from(i) / 127.5 - 1.0).collect();
        let tiles = Tile::batch(&values, 1, 2).unwrap();
        let sheet = contact_sheet(&[panel(3, tiles)], EXACT).unwrap();
        assert_eq!((sheet.width(), sheet.height()), (6, 4));
        let expected = [[0, 1, 4, 5, 8, 9], [2, 3, 6, 7, 10, 11], [12, 13, 16, 17, 20, 21], [14, 15, 18, 19, 22, 23]];
        assert_eq!(sheet.as_luma8().unwrap().as_raw(), expected.as_flattened());
    }

    #[test]
    fn colour_is_channel_major_in_and_interleaved_out() {
        let bytes = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120u8];
        let values = bytes.map(|byte| f32::from(byte) / 127.5 - 1.0);
        let sheet = contact_sheet(&[panel(1, Tile::batch(&values, 3, 2).unwrap())], EXACT).unwrap();
        let expected = [10, 50, 90, 20, 60, 100, 30, 70, 110, 40, 80, 120];
        assert_eq!(sheet.as_rgb8().unwrap().as_raw().as_slice(), expected);
    }

    #[test]
    fn scale_repeats_pixels_and_padding_surrounds_tiles() {
        let layout = Layout { scale: 2, padding: 1 };
        let sheet = contact_sheet(&[panel(2, flat_tiles(3, 1))], layout).unwrap();
        let b = BACKGROUND;
        let expected = [
            [b, b, b, b, b, b, b],
            [b, 0, 0, b, 1, 1, b],
            [b, 0, 0, b, 1, 1, b],
            [b, b, b, b, b, b, b],
            [b, 2, 2, b, b, b, b],
            [b, 2, 2, b, b, b, b],
            [b, b, b, b, b, b, b],
        ];
        assert_eq!((sheet.width(), sheet.height()), (7, 7));
        assert_eq!(sheet.as_luma8().unwrap().as_raw(), expected.as_flattened());
    }

    #[test]
    fn panels_stand_side_by_side_with_their_tops_aligned() {
        let panels = [panel(1, flat_tiles(2, 3)), panel(9, flat_tiles(2, 3))];
        let sheet = contact_sheet(&panels, EXACT).unwrap().into_luma8();
        assert_eq!(sheet.dimensions(), (9, 6));
        // Left: tile 0 over tile 1; right: tiles 0 and 1 over nothing.
        assert_eq!([(0, 5), (3, 0), (8, 0), (8, 5)].map(|(x, y)| sheet.get_pixel(x, y)[0]), [1, 0, 1, BACKGROUND]);
    }

    #[test]
    fn a_title_is_legible_above_the_grid_and_widens_it() {
        let sheet = contact_sheet(&[titled("guidance 3", 1, flat_tiles(1, 8))], EXACT).unwrap().into_luma8();
        assert_eq!(sheet.dimensions(), (60, 18));
        let ink = |rows: std::ops::Range<u32>| {
            rows.flat_map(|y| (0..60).map(move |x| (x, y))).filter(|&(x, y)| sheet.get_pixel(x, y)[0] == 255).count()
        };
        assert!(ink(0..10) > 60, "{}", ink(0..10));
        assert_eq!(ink(10..18), 0);

        let other = contact_sheet(&[titled("guidance 4", 1, flat_tiles(1, 8))], EXACT).unwrap().into_luma8();
        assert_ne!(sheet, other);
    }

    #[test]
    fn titles_do_not_touch_each_other_or_leave_the_sheet() {
        let panels = ["one\ntwo", "Ünïcode 手", ""].map(|title| titled(title, 2, flat_tiles(2, 28)));
        let layout = Layout::default();
        let sheet = contact_sheet(&panels, layout).unwrap().into_luma8();
        assert_eq!(sheet.dimensions(), (3 * (2 * 84 + 3 * 2) + 2 * 8, 20 + 2 + 84 + 2 * 2));
        // A line break in a title does not spill over the tiles.
        assert!((24..sheet.height()).all(|y| (0..sheet.width()).all(|x| sheet.get_pixel(x, y)[0] != 255)));
    }

    #[test]
    fn one_colour_tile_makes_the_sheet_colour() {
        let images = [flat_tiles(1, 2), Tile::batch(&[0.0; 12], 3, 2).unwrap()].concat();
        assert!(contact_sheet(&[panel(2, images)], EXACT).unwrap().as_rgb8().is_some());
    }

    #[test]
    fn refuses_what_is_no_batch() {
        let shape = |values: &[f32], channels, side| Tile::batch(values, channels, side).unwrap_err();
        for (count, channels, side) in [(7, 1, 2), (8, 2, 2), (0, 1, 2), (4, 1, 0), (4, 3, usize::MAX)] {
            let error = shape(&vec![0.0; count], channels, side);
            assert!(matches!(error, PictureError::Shape { .. }), "{error}");
        }
        assert_eq!(
            shape(&[0.0; 7], 1, 2).to_string(),
            "7 values are not a batch of 1x2x2 images; give a whole number of images of 1 or 3 channels"
        );
    }

    #[test]
    fn refuses_what_cannot_be_shown() {
        let tiles = flat_tiles(1, 2);
        let no_scale = Layout { scale: 0, padding: 0 };
        for (panels, layout) in [
            (vec![], EXACT),
            (vec![panel(1, vec![])], EXACT),
            (vec![panel(1, tiles.clone()), panel(1, vec![])], EXACT),
            (vec![panel(0, tiles.clone())], EXACT),
            (vec![panel(1, tiles.clone())], no_scale),
        ] {
            assert_eq!(contact_sheet(&panels, layout), Err(PictureError::Nothing));
        }
        let mixed = [panel(1, tiles.clone()), panel(1, flat_tiles(1, 3))];
        assert_eq!(contact_sheet(&mixed, EXACT), Err(PictureError::Mixed { first: 2, other: 3 }));
        for layout in [(u32::MAX, 0), (1, u32::MAX), (u32::MAX, u32::MAX)] {
            let layout = Layout { scale: layout.0, padding: layout.1 };
            let error = contact_sheet(&[panel(1, tiles.clone())], layout).unwrap_err();
            assert!(matches!(error, PictureError::TooLarge { .. }), "{error}");
        }
    }

    #[test]
    fn a_saved_picture_reads_back_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sheet.png");
        let sheet = contact_sheet(&[titled("a", 2, flat_tiles(4, 5))], Layout::default()).unwrap();
        save_png(&path, &sheet).unwrap();
        assert_eq!(image::open(&path).unwrap(), sheet);
    }
}
