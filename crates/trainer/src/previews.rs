//! Samples while training.

use dit::Dit;
use flow::{SampleOptions, sample};
use image::DynamicImage;
use programs::{Layout, Panel, Tile};
use runtime::Stream;

/// Samples of a class, side by side.
const COLUMNS: usize = 8;
/// Classes shown, at most.
const ROWS: usize = 10;
/// How samples are drawn.
const STEPS: usize = 20;
const GUIDANCE: f32 = 2.0;

/// Samples after a step, always from the same noise.
pub struct Preview {
    /// A row of samples for each class.
    pub grid: DynamicImage,
    /// The first sample of each class side by side, for a terminal.
    pub strip: DynamicImage,
}

/// What a grid shows of so many classes, in a sentence.
pub fn description(classes: usize) -> String {
    let rows = if classes > ROWS { format!("each of the first {ROWS} classes") } else { "each class".into() };
    format!(
        "A row for {rows}, always from the same noise, drawn with the averaged weights in {STEPS} steps at guidance {GUIDANCE}."
    )
}

impl Preview {
    /// Draws samples. With guidance no more memory is needed than training with `batch` takes.
    pub fn draw(stream: &mut Stream, model: &Dit, seed: u64, batch: usize) -> anyhow::Result<Self> {
        let config = model.config();
        let labels: Vec<u32> =
            (0..config.classes.min(ROWS) as u32).flat_map(|class| std::iter::repeat_n(class, COLUMNS)).collect();
        let batch = (batch / 2).clamp(1, labels.len());
        let options = SampleOptions { steps: STEPS, guidance: GUIDANCE, seed, batch, ..SampleOptions::default() };
        let images = sample(stream, model, &labels, &options, |_| {})?;
        let images = Tile::batch(&images, config.channels, config.side)?;
        let first: Vec<Tile> = images.iter().step_by(COLUMNS).cloned().collect();
        let strip = Panel { title: None, columns: first.len(), images: first };
        let grid = Panel { title: None, columns: COLUMNS, images };
        Ok(Self {
            grid: programs::contact_sheet(&[grid], Layout::default())?,
            strip: programs::contact_sheet(&[strip], Layout { scale: 1, padding: 1 })?,
        })
    }
}
