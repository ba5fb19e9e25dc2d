//! `datasets inspect`: what is there, in figures and in a picture.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use datasets::{Dataset, Place, ReadArgs, ReadOptions, Splits};
use image::{DynamicImage, Rgb, RgbImage, imageops};
use programs::{Layout, Panel, Tile, check_writable, contact_sheet, counted, save_png, say};

use crate::statistics::{copies, pixels};

/// Around the rows of the sheet.
const BACKGROUND: Rgb<u8> = Rgb([40; 3]);

/// What to look at.
#[derive(Debug, Args)]
pub struct Arguments {
    /// `mnist`, which is built in, or a path: IDX files, a .npz file, or folders of images
    #[arg(value_name = "PATH")]
    place: Place,

    /// Write a picture of training images, a row for each class; a file there is replaced
    #[arg(long, value_name = "FILE.png", help_heading = "Sheet")]
    sheet: Option<PathBuf>,

    /// Images in a row of the picture
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u16).range(1..=100), help_heading = "Sheet")]
    columns: u16,

    /// Pixels of the picture to a pixel of an image, along each side
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64), help_heading = "Sheet")]
    scale: u32,

    /// How to read the images.
    #[command(flatten)]
    reading: ReadArgs,
}

/// Reads the images as a program would that trains on them, and tells about them.
///
/// # Errors
/// As [`datasets::open`], and where the picture cannot be written.
pub fn inspect(arguments: &Arguments) -> Result<()> {
    arguments.sheet.as_ref().map_or(Ok(()), check_writable)?;
    let splits = datasets::open(&arguments.place, &arguments.reading.options(&ReadOptions::default()))?;
    for line in lines(&splits) {
        say(line);
    }
    if let Some(path) = &arguments.sheet {
        save_png(path, &sheet(&splits, usize::from(arguments.columns), arguments.scale)?)?;
        say(format_args!("Wrote {}", path.display()));
    }
    Ok(())
}

/// What there is to say.
fn lines(splits: &Splits) -> Vec<String> {
    let Splits { name, train, test, class_names, notes } = splits;
    let channels = if train.channels() == 1 { "grey" } else { "colour" };
    let mut lines = vec![
        name.clone(),
        format!(
            "  images    {0}×{0}, {channels}; {1} to train on, {2} held out",
            train.side(),
            train.count(),
            test.count()
        ),
    ];
    let names: &[&str] = if train.channels() == 1 { &[""] } else { &["red ", "green ", "blue "] };
    let figures: Vec<_> = names
        .iter()
        .zip(pixels(train))
        .map(|(name, (mean, deviation))| format!("{name}mean {mean:.4}, deviation {deviation:.4}"))
        .collect();
    lines.push(format!("  pixels    {} (training images, black is 0 and white 1)", figures.join("; ")));
    let found = copies(train, test);
    let verb = |number: usize, one: &'static str, more: &'static str| if number == 1 { one } else { more };
    lines.push(format!(
        "  copies    {} {} another, {} {}",
        counted(found.within_training, "training image"),
        verb(found.within_training, "repeats", "repeat"),
        counted(found.held_out, "held-out image"),
        verb(found.held_out, "is a training image", "are training images")
    ));
    lines.extend(notes.iter().map(|note| format!("  note      {note}")));
    lines.push(format!("  classes   {}", class_names.len()));
    lines.push(String::new());
    lines.extend(table(class_names, train, test));
    lines
}

/// A row for each class: its number, its name, its images.
fn table(class_names: &[String], train: &Dataset, test: &Dataset) -> Vec<String> {
    let width = class_names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("name".len());
    let row = |class: &str, name: &str, train: &str, held_out: &str| {
        format!("  {class:>5}  {name:<width$}  {train:>8}  {held_out:>8}")
    };
    let rows = class_names.iter().zip(train.class_counts()).zip(test.class_counts()).enumerate();
    std::iter::once(row("class", "name", "train", "held out"))
        .chain(
            rows.map(|(class, ((name, train), test))| {
                row(&class.to_string(), name, &train.to_string(), &test.to_string())
            }),
        )
        .collect()
}

/// The first training images of each class that has any, in a row under its name.
fn sheet(splits: &Splits, columns: usize, scale: u32) -> Result<DynamicImage> {
    let train = &splits.train;
    let size = train.images().len() / train.count();
    let layout = Layout { scale, ..Layout::default() };
    let mut rows = Vec::new();
    for (class, name) in splits.class_names.iter().enumerate() {
        let of_class =
            train.images().chunks(size).zip(train.labels()).filter(|(_, label)| usize::from(**label) == class);
        let values: Vec<f32> =
            of_class.take(columns).flat_map(|(image, _)| image).map(|&byte| f32::from(byte) / 127.5 - 1.0).collect();
        if !values.is_empty() {
            let images = Tile::batch(&values, train.channels(), train.side())?;
            rows.push(contact_sheet(&[Panel { title: Some(name.clone()), columns, images }], layout)?);
        }
    }
    let width = rows.iter().map(DynamicImage::width).max().unwrap_or(1);
    let height = rows.iter().map(DynamicImage::height).sum::<u32>().max(1);
    let mut sheet = RgbImage::from_pixel(width, height, BACKGROUND);
    let mut top = 0;
    for row in rows {
        imageops::replace(&mut sheet, &row.to_rgb8(), 0, i64::from(top));
        top += row.height();
    }
    Ok(sheet.into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Three classes, of which one has no training image.
    fn splits() -> Splits {
        let train = Dataset::new(vec![0, 255, 255], vec![0, 2, 2], 1, 1, 3).unwrap();
        let test = Dataset::new(vec![255], vec![1], 1, 1, 3).unwrap();
        let class_names = ["cat", "a long name", "dog"].map(str::to_owned).to_vec();
        Splits { name: "pets".into(), train, test, class_names, notes: vec!["something".into()] }
    }

    #[test]
    fn everything_is_said() {
        let expected = "\
pets
  images    1×1, grey; 3 to train on, 1 held out
  pixels    mean 0.6667, deviation 0.4714 (training images, black is 0 and white 1)
  copies    1 training image repeats another, 1 held-out image is a training image
  note      something
  classes   3

  class  name            train  held out
      0  cat                 1         0
      1  a long name         0         1
      2  dog                 2         0";
        assert_eq!(lines(&splits()).join("\n"), expected);
    }

    #[test]
    fn the_sheet_has_a_row_for_each_class_that_has_images() {
        let picture = sheet(&splits(), 2, 40).unwrap().into_rgb8();
        let has = |value: u8, rows: std::ops::Range<u32>| {
            rows.into_iter()
                .flat_map(|y| (0..picture.width()).map(move |x| (x, y)))
                .filter(|&(x, y)| *picture.get_pixel(x, y) == Rgb([value; 3]))
                .count()
        };
        let half = picture.height() / 2;
        assert_eq!(picture.height() % 2, 0);
        assert_eq!(has(0, 0..half), 1600, "one black image in the upper row");
        assert!(has(255, half..picture.height()) >= 3200, "two white images in the lower row");
    }
}
