//! Image files in a folder for each class.

mod files;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::arrays::{Planes, held_out_note, settle};
use crate::error::{check_size, listed, suggested_side};
use crate::picture::{self, Picture};
use crate::{Dataset, DatasetError, ReadOptions, Splits, directory::name_of, held_out};

use files::{Files, Item, MOST_CLASSES, NOT_READ, below, subfolders};

/// Whether a directory has subfolders at all, and may be a folder of images.
pub(crate) fn has_subfolders(path: &Path) -> Result<bool, DatasetError> {
    subfolders(path).map(|names| !names.is_empty())
}

/// Reads a folder with a subfolder of images for each class, perhaps within `train` and `test` (or `val`).
pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Splits, DatasetError> {
    let Files { class_names, mut train, test, mut notes } = Files::find(path)?;
    let has_test = test.is_some();
    let mut test = test.unwrap_or_default();
    let side = match options.size {
        Some(size) => size,
        None => common_side(path, &mut train, &mut test, options, &mut notes)?,
    };
    check_size(&path.display().to_string(), train.len() + test.len(), 3, side as usize)?;
    let train_images = decode(&train, side, options);
    let test_images = decode(&test, side, options);
    let failures = [(&train, &train_images), (&test, &test_images)];
    let failures = failures.iter().flat_map(|(items, images)| failures_of(items, images)).collect::<Vec<_>>();
    judge(path, &failures, train.len() + test.len(), options, &mut notes)?;
    let (mut train, mut train_images) = readable(train, train_images);
    let (mut test, mut test_images) = readable(test, test_images);
    expect_every_class(path, &class_names, &train)?;
    if !has_test {
        let labels: Vec<u8> = train.iter().map(|item| item.label).collect();
        let chosen = held_out(&labels, |index| train[index].name.clone(), options);
        let (held, kept) =
            train.into_iter().zip(train_images).zip(chosen).partition::<Vec<_>, _>(|(_, chosen)| *chosen);
        (test, test_images) = held.into_iter().map(|(image, _)| image).unzip();
        (train, train_images) = kept.into_iter().map(|(image, _)| image).unzip();
        notes.push(held_out_note(train.len(), test.len()));
    }
    let planes = |images: Vec<Vec<u8>>| Planes { side: side as usize, bytes: images.concat() };
    let (channels, train_bytes, test_bytes) = settle(planes(train_images), planes(test_images), options.channels);
    let labels = |items: &[Item]| items.iter().map(|item| item.label).collect();
    let (side, classes) = (side as usize, class_names.len());
    Ok(Splits {
        name: name_of(path),
        train: Dataset::new(train_bytes, labels(&train), channels, side, classes)?,
        test: Dataset::possibly_empty(test_bytes, labels(&test), channels, side, classes)?,
        class_names,
        notes,
    })
}

/// The side that all images have. What cannot be read is judged first, and left out.
fn common_side(
    path: &Path,
    train: &mut Vec<Item>,
    test: &mut Vec<Item>,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<u32, DatasetError> {
    let all = train.len() + test.len();
    let mut failures = Vec::new();
    let mut sizes = Vec::new();
    for items in [train, test] {
        let measured: Vec<_> = items.par_iter().map(|item| picture::dimensions(&item.path)).collect();
        failures.extend(failures_of(items, &measured));
        let (kept, found) = readable(std::mem::take(items), measured);
        sizes.extend(kept.iter().zip(found).map(|(item, size)| (below(path, &item.path), size)));
        *items = kept;
    }
    judge(path, &failures, all, options, notes)?;
    let Some((first_name, first)) = sizes.first() else {
        // The class that has no image is named later.
        return Ok(1);
    };
    if let Some((other_name, other)) = sizes.iter().find(|(_, size)| size != first) {
        let shortest = sizes.iter().map(|(_, (width, height))| width.min(height)).min();
        return Err(DatasetError::Sizes {
            path: path.to_owned(),
            first: format!("{first_name} has {}x{}", first.0, first.1),
            other: format!("{other_name} {}x{}", other.0, other.1),
            suggestion: suggested_side(shortest.copied().unwrap_or(1) as usize),
        });
    }
    if first.0 != first.1 {
        let (width, height) = (first.0 as usize, first.1 as usize);
        let file = path.display().to_string();
        return Err(DatasetError::Rectangles { file, width, height, suggestion: suggested_side(width.min(height)) });
    }
    Ok(first.0)
}

/// Each image, or why it cannot be read.
fn decode(items: &[Item], side: u32, options: &ReadOptions) -> Vec<Result<Vec<u8>, String>> {
    items.par_iter().map(|item| Picture::open(&item.path)?.planes(side, options.fit)).collect()
}

/// The items that failed, with why.
fn failures_of<T>(items: &[Item], outcomes: &[Result<T, String>]) -> Vec<(PathBuf, String)> {
    let failure = |(item, outcome): (&Item, &Result<T, String>)| {
        let reason = outcome.as_ref().err()?;
        let extension = item.path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
        let foreign = extension.filter(|extension| NOT_READ.contains(&extension.as_str()));
        let reason = foreign.map_or(reason.clone(), |extension| format!("{} is not read", extension.to_uppercase()));
        Some((item.path.clone(), reason))
    };
    items.iter().zip(outcomes).filter_map(failure).collect()
}

/// The items that did not fail.
fn readable<T>(items: Vec<Item>, outcomes: Vec<Result<T, String>>) -> (Vec<Item>, Vec<T>) {
    items.into_iter().zip(outcomes).filter_map(|(item, outcome)| Some((item, outcome.ok()?))).unzip()
}

/// Refuses images that cannot be read, or notes them where they are to be left out.
fn judge(
    path: &Path,
    failures: &[(PathBuf, String)],
    all: usize,
    options: &ReadOptions,
    notes: &mut Vec<String>,
) -> Result<(), DatasetError> {
    if failures.is_empty() {
        return Ok(());
    }
    let named: Vec<_> = failures.iter().map(|(file, reason)| format!("{} ({reason})", below(path, file))).collect();
    let (count, names) = (failures.len(), listed(&named));
    if !options.skip_unreadable {
        return Err(DatasetError::Unreadable { path: path.to_owned(), count, all, names });
    }
    notes.push(format!("{count} of {all} images cannot be read and were left out: {names}"));
    Ok(())
}

/// Refuses a class that has nothing to train on.
fn expect_every_class(path: &Path, class_names: &[String], train: &[Item]) -> Result<(), DatasetError> {
    let mut found = [false; MOST_CLASSES];
    train.iter().for_each(|item| found[usize::from(item.label)] = true);
    let empty: Vec<_> = class_names.iter().zip(found).filter(|(_, found)| !found).map(|(name, _)| name).collect();
    if empty.is_empty() {
        return Ok(());
    }
    Err(DatasetError::EmptyClasses { path: path.to_owned(), count: empty.len(), names: listed(&empty) })
}
