//! What becomes of the images: the picture, a file for each, and the file of their numbers.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::Path;

use image::{DynamicImage, ImageError, ImageFormat};
use programs::{
    FileError, GIF_LIMIT, Layout, Panel, PictureError, Tile, contact_sheet, write_atomically, write_folder_atomically,
};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::plan::Plan;

/// The picture: the panels side by side, titled where there are several.
///
/// # Errors
/// As [`Tile::batch`] and [`contact_sheet`].
pub fn picture(plan: &Plan, panels: &[Vec<f32>], scale: u32) -> Result<DynamicImage, PictureError> {
    let titles = plan.variants.iter().map(|variant| variant.title.clone());
    sheet(plan, titles.zip(panels.iter().map(Vec::as_slice)), scale)
}

/// Whether the name of a file asks for an animation.
pub fn is_gif(path: &Path) -> bool {
    ends_in(path, "gif")
}

/// Whether it asks for a picture.
pub fn is_png(path: &Path) -> bool {
    ends_in(path, "png")
}

fn ends_in(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
}

/// The frames of an animation through the columns of the only panel, there and back: the images of a column
/// side by side. The way back begins after as many frames as there are columns.
///
/// # Errors
/// As [`Tile::batch`] and [`contact_sheet`], and where a frame is too large for an animation.
pub fn there_and_back(plan: &Plan, panel: &[f32], scale: u32) -> Result<Vec<DynamicImage>, PictureError> {
    let tiles = Tile::batch(panel, plan.config.channels, plan.config.side)?;
    let rows = tiles.len() / plan.columns;
    let frame = |column: usize| {
        let images = tiles.iter().skip(column).step_by(plan.columns).cloned().collect();
        let panel = Panel { title: None, columns: rows, images };
        fits_gif(contact_sheet(&[panel], Layout { scale, ..Layout::default() })?)
    };
    (0..plan.columns).chain((1..plan.columns - 1).rev()).map(frame).collect()
}

/// A frame, if an animation can have it.
///
/// # Errors
/// [`PictureError::TooLarge`].
pub fn fits_gif(frame: DynamicImage) -> Result<DynamicImage, PictureError> {
    let (width, height) = (frame.width(), frame.height());
    if width.max(height) > GIF_LIMIT {
        return Err(PictureError::TooLarge { width: width.into(), height: height.into() });
    }
    Ok(frame)
}

/// Panels of a plan's images under titles, side by side.
///
/// # Errors
/// As [`Tile::batch`] and [`contact_sheet`].
pub fn sheet<'a>(
    plan: &Plan,
    panels: impl Iterator<Item = (Option<String>, &'a [f32])>,
    scale: u32,
) -> Result<DynamicImage, PictureError> {
    let panel = |(title, values): (Option<String>, &[f32])| {
        let images = Tile::batch(values, plan.config.channels, plan.config.side)?;
        Ok(Panel { title, columns: plan.columns, images })
    };
    let panels = panels.map(panel).collect::<Result<Vec<_>, _>>()?;
    let layout = Layout { scale, ..Layout::default() };
    // Panels have to stay apart.
    let joined = plan.joined && panels.len() == 1;
    contact_sheet(&panels, if joined { Layout { padding: 0, ..layout } } else { layout })
}

/// Writes every image into a new folder, as DIGIT/NUMBER.png, or ROW/NUMBER.png where there are more than
/// digits; in a folder for each panel where there are several. An image's number is its place in its panel.
///
/// # Errors
/// As [`write_folder_atomically`].
pub fn save_folder(path: &Path, plan: &Plan, panels: &[Vec<f32>]) -> Result<(), FileError> {
    write_folder_atomically(path, |folder| {
        for (variant, values) in plan.variants.iter().zip(panels) {
            let folder = match &variant.title {
                Some(title) => folder.join(title.replace(' ', "-")),
                None => folder.to_owned(),
            };
            let tiles = Tile::batch(values, plan.config.channels, plan.config.side).map_err(io::Error::other)?;
            let mut folders = HashMap::new();
            for (index, (tile, label)) in tiles.into_iter().zip(&plan.labels).enumerate() {
                let name = if plan.interpolation.is_some() { index / plan.columns } else { *label as usize };
                let folder = folders.entry(name).or_insert_with(|| folder.join(name.to_string()));
                fs::create_dir_all(&*folder)?;
                let panel = Panel { title: None, columns: 1, images: vec![tile] };
                let image = contact_sheet(&[panel], Layout { scale: 1, padding: 0 }).map_err(io::Error::other)?;
                let file = folder.join(format!("{index:05}.png"));
                image.save_with_format(file, ImageFormat::Png).map_err(|error| match error {
                    ImageError::IoError(error) => error,
                    other => io::Error::other(other),
                })?;
            }
        }
        Ok(())
    })
}

/// Writes the panels one after the other: `images` (N, C, S, S), `labels` (N), and where there are several
/// panels the `panel` (N) of each image, from 0, and its `guidance` (N).
///
/// # Errors
/// As [`write_atomically`].
pub fn save_tensors(path: &Path, plan: &Plan, panels: &[Vec<f32>]) -> Result<(), FileError> {
    let bytes = tensors(plan, panels);
    write_atomically(path, |writer| writer.write_all(&bytes.map_err(io::Error::other)?))
}

fn tensors(plan: &Plan, panels: &[Vec<f32>]) -> Result<Vec<u8>, SafeTensorError> {
    let images = panels.concat();
    let one_panel: Vec<i64> = plan.labels.iter().copied().map(i64::from).collect();
    let labels = one_panel.repeat(panels.len());
    let of_each = |index: usize| std::iter::repeat_n(index, one_panel.len());
    let panel: Vec<i64> = (0..panels.len()).flat_map(of_each).map(|index| index as i64).collect();
    let guidance: Vec<f32> = (0..panels.len()).flat_map(of_each).map(|index| plan.variants[index].guidance).collect();

    let (items, side) = (labels.len(), plan.config.side);
    let mut entries = vec![
        (
            "images",
            TensorView::new(Dtype::F32, vec![items, plan.config.channels, side, side], bytemuck::cast_slice(&images))?,
        ),
        ("labels", TensorView::new(Dtype::I64, vec![items], bytemuck::cast_slice(&labels))?),
    ];
    if panels.len() > 1 {
        entries.push(("panel", TensorView::new(Dtype::I64, vec![items], bytemuck::cast_slice(&panel))?));
        entries.push(("guidance", TensorView::new(Dtype::F32, vec![items], bytemuck::cast_slice(&guidance))?));
    }
    serialize(entries, None)
}
