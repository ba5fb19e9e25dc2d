//! Grids of samples while training.

use std::path::Path;

use dit::Dit;
use flow::{SampleOptions, sample};
use programs::{Layout, Panel, Tile};
use runtime::Stream;

/// Samples of a class, side by side.
const COLUMNS: usize = 8;
/// Classes shown, at most.
const ROWS: usize = 10;

/// Draws a row of samples for each class, always from the same noise, and writes them as a picture. With
/// guidance no more memory is needed than training with `batch` takes.
pub fn write(stream: &mut Stream, model: &Dit, path: &Path, seed: u64, batch: usize) -> anyhow::Result<()> {
    let config = model.config();
    let labels: Vec<u32> =
        (0..config.classes.min(ROWS) as u32).flat_map(|class| std::iter::repeat_n(class, COLUMNS)).collect();
    let batch = (batch / 2).clamp(1, labels.len());
    let options = SampleOptions { steps: 20, guidance: 2.0, seed, batch, ..SampleOptions::default() };
    let images = sample(stream, model, &labels, &options, |_| {})?;
    let images = Tile::batch(&images, config.channels, config.side)?;
    let sheet = programs::contact_sheet(&[Panel { title: None, columns: COLUMNS, images }], Layout::default())?;
    Ok(programs::save_png(path, &sheet)?)
}
