//! Strips: rows of images that go through the same moments, with a caption under each column.

use image::DynamicImage;

use crate::pictures::{Canvas, font};
use crate::{Layout, PictureError, Tile};

/// A row of a strip.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StripRow {
    /// Left of the row; Latin-1 characters.
    pub label: String,
    /// An image for every caption.
    pub images: Vec<Tile>,
}

/// Draws rows under each other, each beside its label, and a caption under each column.
///
/// # Errors
/// When there is nothing to show, a row is not as long as there are captions, images differ in size, or the
/// strip would pass 2^28 pixels.
pub fn film_strip(rows: &[StripRow], captions: &[String], layout: Layout) -> Result<DynamicImage, PictureError> {
    let uneven = rows.iter().any(|row| row.images.len() != captions.len());
    let mut tiles = rows.iter().flat_map(|row| &row.images);
    let first = tiles.next().ok_or(PictureError::Nothing)?.side();
    if uneven || layout.scale == 0 {
        return Err(PictureError::Nothing);
    }
    if let Some(other) = tiles.find(|tile| tile.side() != first) {
        return Err(PictureError::Mixed { first, other: other.side() });
    }
    let (padding, tile) = (u64::from(layout.padding), u64::from(first) * u64::from(layout.scale));
    let font = font(tile);
    let letter = font.character_size;
    let width_of = |text: &String| text.chars().count() as u64 * u64::from(letter.width);
    let widest = |texts: &mut dyn Iterator<Item = &String>| texts.map(width_of).max().unwrap_or(0);
    let column = tile.max(widest(&mut captions.iter())) + padding;
    let margin = widest(&mut rows.iter().map(|row| &row.label)) + 4 * padding;
    let (line, row_height) = (u64::from(letter.height), tile + padding);
    let captions_top = padding + row_height.saturating_mul(rows.len() as u64);
    let width = column.saturating_mul(captions.len() as u64).saturating_add(margin);
    let mut canvas = Canvas::new(width, captions_top.saturating_add(line + padding))?;

    // Whatever fits the canvas fits a u32.
    for (index, row) in rows.iter().enumerate() {
        let top = padding + index as u64 * row_height;
        let label_top = top + tile.saturating_sub(line) / 2;
        canvas.write(&row.label, (2 * padding) as u32, label_top as u32, font);
        for (place, image) in row.images.iter().enumerate() {
            let left = margin + place as u64 * column + (column - padding - tile) / 2;
            canvas.place(image, left as u32, top as u32, layout.scale);
        }
    }
    for (place, caption) in captions.iter().enumerate() {
        let left = margin + place as u64 * column + (column - padding).saturating_sub(width_of(caption)) / 2;
        canvas.write(caption, left as u32, captions_top as u32, font);
    }
    Ok(canvas.finish(rows.iter().flat_map(|row| &row.images).any(Tile::is_colour)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn row(label: &str, images: usize, side: usize) -> StripRow {
        StripRow { label: label.into(), images: Tile::batch(&vec![1.0; images * side * side], 1, side).unwrap() }
    }

    fn captions(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn tiles_stand_right_of_the_labels_and_above_the_captions() {
        let layout = Layout { scale: 1, padding: 2 };
        let rows = [row("ab", 3, 28), row("", 3, 28)];
        let strip = film_strip(&rows, &captions(&["", "1", ""]), layout).unwrap().into_luma8();
        // Two letters of 6 × 10 and their margin; then tiles.
        let margin = 2 * 6 + 4 * 2;
        assert_eq!(strip.dimensions(), (margin + 3 * 30, 2 + 2 * 30 + 10 + 2));
        let ink = |left: u32, right: u32, top: u32, bottom: u32| {
            let all = (top..bottom).flat_map(|y| (left..right).map(move |x| (x, y)));
            all.filter(|&(x, y)| strip.get_pixel(x, y)[0] == 255).count()
        };
        assert_eq!(ink(margin, margin + 90, 2, 62), 6 * 28 * 28);
        assert!(ink(0, margin, 2, 30) > 5, "the first row has a label");
        assert_eq!(ink(0, margin, 32, 62), 0, "the second has none");
        assert!(ink(margin + 30, margin + 60, 62, 74) > 3, "the middle column has a caption");
        assert_eq!(ink(margin, margin + 30, 62, 74), 0, "the first has none");
    }

    #[test]
    fn captions_wider_than_tiles_widen_the_columns() {
        let rows = [row("", 2, 8)];
        let strip = film_strip(&rows, &captions(&["t 0.5", "t 1"]), Layout { scale: 1, padding: 0 }).unwrap();
        assert_eq!((strip.width(), strip.height()), (2 * 5 * 6, 8 + 10));
    }

    #[test]
    fn refuses_what_is_no_strip() {
        let some = captions(&["", ""]);
        let layout = Layout::default();
        assert_eq!(film_strip(&[], &some, layout), Err(PictureError::Nothing));
        assert_eq!(film_strip(&[row("", 1, 8)], &some, layout), Err(PictureError::Nothing));
        let mixed = [row("", 2, 8), row("", 2, 9)];
        assert_eq!(film_strip(&mixed, &some, layout), Err(PictureError::Mixed { first: 8, other: 9 }));
        let endless = Layout { scale: u32::MAX, padding: u32::MAX };
        assert!(matches!(film_strip(&[row("", 2, 8)], &some, endless), Err(PictureError::TooLarge { .. })));
    }
}
