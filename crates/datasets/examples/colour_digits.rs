//! Makes a folder of colour images, 32 pixels a side, out of grey ones of 28: digits in ink of one colour on paper of
//! another. Something to try training in colour with, without a download:
//!
//! ```sh
//! cargo run -p datasets --example colour_digits -- colour-digits
//! cargo run -p datasets -- inspect colour-digits --sheet colour-digits.png
//! ```

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use datasets::{Dataset, Place, ReadOptions};
use image::{Rgb, RgbImage};
use rayon::prelude::*;

/// Pixels around the grey image.
const MARGIN: u32 = 2;

/// Makes a folder of colour images out of grey ones
#[derive(Parser)]
struct Arguments {
    /// The folder to make, with train and test in it
    folder: PathBuf,

    /// Images to train on; a tenth as many are held out
    #[arg(long, default_value_t = 10_000)]
    count: usize,

    /// The grey images
    #[arg(long, default_value = "mnist")]
    data: Place,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let splits = datasets::open(&arguments.data, &ReadOptions::default())?;
    for (name, data, count) in [("train", &splits.train, arguments.count), ("test", &splits.test, arguments.count / 10)]
    {
        write(&arguments.folder.join(name), data, count, &splits.class_names)?;
    }
    Ok(())
}

/// Writes the first images of a split.
fn write(folder: &Path, data: &Dataset, count: usize, class_names: &[String]) -> Result<(), Box<dyn Error>> {
    // A name such as T-shirt/top is no name of a folder.
    let names: Vec<_> = class_names.iter().map(|name| name.replace('/', " ")).collect();
    for name in &names {
        fs::create_dir_all(folder.join(name))?;
    }
    let size = data.images().len() / data.count();
    let images: Vec<_> = data.images().chunks(size).zip(data.labels()).take(count).enumerate().collect();
    images.into_par_iter().try_for_each(|(index, (image, label))| {
        let path = folder.join(&names[usize::from(*label)]).join(format!("{index:05}.png"));
        coloured(image, data.side() as u32, index).save(path)
    })?;
    Ok(())
}

/// The image in ink on paper; no two images in a row have colours alike.
fn coloured(image: &[u8], side: u32, index: usize) -> RgbImage {
    let turn = |irrational: f64| (index as f64 * irrational).fract();
    let hue = turn(0.618_034);
    let paper = colour(hue, 0.35);
    let ink = colour(hue + 0.3 + 0.4 * turn(0.414_214), 1.0);
    RgbImage::from_fn(side + 2 * MARGIN, side + 2 * MARGIN, |x, y| {
        let inside = |place: u32| place.checked_sub(MARGIN).filter(|place| *place < side);
        let share = match (inside(x), inside(y)) {
            (Some(x), Some(y)) => f64::from(image[(y * side + x) as usize]) / 255.0,
            _ => 0.0,
        };
        Rgb([0, 1, 2].map(|channel| (255.0 * (paper[channel] + share * (ink[channel] - paper[channel]))).round() as u8))
    })
}

/// Red, green and blue of a hue in turns, at a brightness: 0 to 1.
fn colour(hue: f64, brightness: f64) -> [f64; 3] {
    [0.0, 1.0 / 3.0, 2.0 / 3.0].map(|shift| brightness * (0.5 + 0.5 * (std::f64::consts::TAU * (hue - shift)).cos()))
}
