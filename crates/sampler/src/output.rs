//! What becomes of the images: the picture, and the file of their numbers.

use std::io;
use std::path::Path;

use image::DynamicImage;
use programs::{FileError, Layout, Panel, PictureError, Tile, contact_sheet, write_atomically};
use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, TensorView, serialize};

use crate::plan::Plan;

/// The picture: the panels side by side, titled where there are several.
///
/// # Errors
/// As [`Tile::batch`] and [`contact_sheet`].
pub fn picture(plan: &Plan, panels: &[Vec<f32>], scale: u32) -> Result<DynamicImage, PictureError> {
    let titled = panels.len() > 1;
    let panel = |(values, guidance): (&Vec<f32>, &f32)| {
        Ok(Panel {
            title: titled.then(|| format!("guidance {guidance}")),
            columns: plan.count,
            images: Tile::batch(values, plan.config.channels, plan.config.side)?,
        })
    };
    let panels = panels.iter().zip(plan.guidance.iter()).map(panel).collect::<Result<Vec<_>, _>>()?;
    contact_sheet(&panels, Layout { scale, ..Layout::default() })
}

/// Writes the panels one after the other: `images` (N, C, S, S), `labels` (N), and where there are several
/// panels the `guidance` (N) of each image.
///
/// # Errors
/// As [`write_atomically`].
pub fn save_tensors(path: &Path, plan: &Plan, panels: &[Vec<f32>]) -> Result<(), FileError> {
    let bytes = tensors(plan, panels);
    write_atomically(path, |writer| writer.write_all(&bytes.map_err(io::Error::other)?))
}

fn tensors(plan: &Plan, panels: &[Vec<f32>]) -> Result<Vec<u8>, SafeTensorError> {
    let images = panels.concat();
    let one_panel: Vec<i64> = plan.labels().into_iter().map(i64::from).collect();
    let labels = one_panel.repeat(panels.len());
    let guidance: Vec<f32> =
        plan.guidance.iter().flat_map(|&scale| std::iter::repeat_n(scale, one_panel.len())).collect();

    let (items, side) = (labels.len(), plan.config.side);
    let mut entries = vec![
        (
            "images",
            TensorView::new(Dtype::F32, vec![items, plan.config.channels, side, side], bytemuck::cast_slice(&images))?,
        ),
        ("labels", TensorView::new(Dtype::I64, vec![items], bytemuck::cast_slice(&labels))?),
    ];
    if panels.len() > 1 {
        entries.push(("guidance", TensorView::new(Dtype::F32, vec![items], bytemuck::cast_slice(&guidance))?));
    }
    serialize(entries, None)
}
