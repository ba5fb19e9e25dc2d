//! `--trajectory`: the way from noise to images, as an animation or as a strip of moments.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use flow::Moment;
use image::DynamicImage;
use programs::{FileError, Layout, PictureError, StripRow, Tile, film_strip, save_gif, save_png_with_note};

use crate::note::KEYWORD;
use crate::output::{fits_gif, is_gif, is_png, sheet};
use crate::plan::Plan;

/// A file for the way, and the form that its name ends in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrajectoryFile {
    path: PathBuf,
    form: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// One moment after the other.
    Animation,
    /// All moments side by side.
    Strip,
}

impl FromStr for TrajectoryFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path = PathBuf::from(text);
        let form = if is_gif(&path) {
            Form::Animation
        } else if is_png(&path) {
            Form::Strip
        } else {
            return Err(format!(
                "`{text}` ends neither in .gif, for an animation, nor in .png, for a strip; choose one"
            ));
        };
        Ok(Self { path, form })
    }
}

impl TrajectoryFile {
    /// Where it goes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many moments after the first are shown.
    pub fn moments(&self) -> usize {
        match self.form {
            Form::Animation => 24,
            Form::Strip => 8,
        }
    }

    /// The pictures of the moments: the frames of an animation, or one strip.
    ///
    /// # Errors
    /// Where they would be too large.
    pub fn pictures(&self, plan: &Plan, moments: &[Moment], scale: u32) -> Result<Vec<DynamicImage>, PictureError> {
        match self.form {
            Form::Animation => moments.iter().map(|moment| frame(plan, moment, scale)).collect(),
            Form::Strip => Ok(vec![strip(plan, moments, scale)?]),
        }
    }

    /// Refuses what would be too large, by what the first moment looks like.
    ///
    /// # Errors
    /// Where the pictures would be too large.
    pub fn check_size(&self, plan: &Plan, scale: u32) -> Result<(), PictureError> {
        let grey = vec![0.0; plan.labels.len() * plan.config.image_size()];
        let moment = Moment { time: 0.0, x: grey.clone(), end: grey };
        match self.form {
            Form::Animation => frame(plan, &moment, scale).map(drop),
            Form::Strip => strip(plan, &vec![moment; self.moments() + 1], scale).map(drop),
        }
    }

    /// Writes the pictures, with a note.
    ///
    /// # Errors
    /// As [`programs::write_atomically`].
    pub fn save(&self, pictures: &[DynamicImage], note: &str) -> Result<(), FileError> {
        match (self.form, pictures) {
            (Form::Strip, [strip]) => save_png_with_note(&self.path, strip, KEYWORD, note),
            _ => save_gif(&self.path, pictures, &[pictures.len().saturating_sub(1)], note),
        }
    }
}

/// The images as they are beside those they seem to become.
fn frame(plan: &Plan, moment: &Moment, scale: u32) -> Result<DynamicImage, PictureError> {
    let titles = [format!("t {:.2}", moment.time), "predicted".into()].map(Some);
    fits_gif(sheet(plan, titles.into_iter().zip([moment.x.as_slice(), &moment.end]), scale)?)
}

/// For each image a row of what it is at each moment, and one of what it seems to become.
fn strip(plan: &Plan, moments: &[Moment], scale: u32) -> Result<DynamicImage, PictureError> {
    let tiles = |values: &[f32]| Tile::batch(values, plan.config.channels, plan.config.side);
    let moments: Vec<_> = moments
        .iter()
        .map(|moment| Ok((format!("{:.2}", moment.time), tiles(&moment.x)?, tiles(&moment.end)?)))
        .collect::<Result<_, _>>()?;
    let rows: Vec<_> = (0..plan.labels.len())
        .flat_map(|image| {
            let x = moments.iter().map(|(_, x, _)| x[image].clone()).collect();
            let end = moments.iter().map(|(.., end)| end[image].clone()).collect();
            [StripRow { label: "x".into(), images: x }, StripRow { label: "end".into(), images: end }]
        })
        .collect();
    let captions: Vec<_> = moments.into_iter().map(|(caption, ..)| caption).collect();
    film_strip(&rows, &captions, Layout { scale, ..Layout::default() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_which_form() {
        let form = |text: &str| text.parse::<TrajectoryFile>().map(|file| file.form);
        assert_eq!(form("a/b.gif"), Ok(Form::Animation));
        assert_eq!(form("b.PNG"), Ok(Form::Strip));
        for text in ["", "a", "a.jpg", "gif", ".png"] {
            assert!(form(text).unwrap_err().contains("ends neither in .gif"), "{text}");
        }
    }
}
