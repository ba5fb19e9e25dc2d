//! Any dataset, wherever it is and in whatever form.

use std::path::Path;

use crate::arrays::{self, Arrays};
use crate::directory::looks_like_idx;
use crate::{DatasetError, Place, ReadOptions, Splits, folder, idx_directory, mnist, npz};

/// A name that people will try.
const FASHION_MNIST: &str = "fashion-mnist";
const FASHION_MNIST_HOME: &str = "https://github.com/zalandoresearch/fashion-mnist";

/// Reads what is at a place: the built-in MNIST, a directory as [`idx_directory`] takes it, a .npz file, or a
/// folder with a subfolder of images for each class.
///
/// # Errors
/// When there is nothing there that can be read, or it is damaged or contradicts itself. Every sentence names
/// the file and says what to do.
pub fn open(place: &Place, options: &ReadOptions) -> Result<Splits, DatasetError> {
    match place {
        Place::BuiltIn => adapt("mnist", mnist()?, options),
        Place::Path(path) => open_path(path, options),
    }
}

fn open_path(path: &Path, options: &ReadOptions) -> Result<Splits, DatasetError> {
    let npz = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
    if path.is_dir() {
        if looks_like_idx(path) {
            adapt(&path.display().to_string(), idx_directory(path)?, options)
        } else if folder::has_subfolders(path)? {
            folder::read(path, options)
        } else {
            Err(DatasetError::NothingThere { path: path.to_owned() })
        }
    } else if !path.exists() {
        Err(if path.as_os_str() == FASHION_MNIST {
            DatasetError::NotBuiltIn { name: FASHION_MNIST, home: FASHION_MNIST_HOME }
        } else {
            DatasetError::NotFound { path: path.to_owned() }
        })
    } else if npz {
        npz::read(path, options)
    } else {
        Err(DatasetError::UnknownFile { path: path.to_owned() })
    }
}

/// Images of a set that has both splits, made as asked.
fn adapt(source: &str, splits: Splits, options: &ReadOptions) -> Result<Splits, DatasetError> {
    let Splits { name, train, test, class_names, .. } = splits;
    arrays::splits(source, name, Arrays::from(train), Some(Arrays::from(test)), class_names, options)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::Channels;

    fn error(path: &Path) -> String {
        open(&Place::Path(path.to_owned()), &ReadOptions::default()).unwrap_err().to_string()
    }

    #[test]
    fn mnist_can_be_had_in_other_sizes_and_in_colour() {
        let options = ReadOptions { size: Some(9), channels: Channels::Colour, ..ReadOptions::default() };
        let splits = open(&Place::BuiltIn, &options).unwrap();
        for data in [&splits.train, &splits.test] {
            assert_eq!((data.channels(), data.side()), (3, 9));
            let image = &data.images()[..243];
            assert!(image[..81] == image[81..162] && image[81..162] == image[162..]);
        }
        let mean =
            |images: &[u8]| images.iter().map(|&byte| f64::from(byte)).sum::<f64>() / images.len() as f64 / 255.0;
        // Shrinking keeps the brightness, but for the dark side of edges, where the filter goes below black and is
        // clamped: a tenth of it at this size.
        assert!((mean(splits.train.images()) - 0.1307).abs() < 0.015, "{}", mean(splits.train.images()));
        assert_eq!(splits.class_names[9], "9");
        let same = open(&Place::BuiltIn, &ReadOptions { size: Some(28), ..ReadOptions::default() }).unwrap();
        assert_eq!(same, mnist().unwrap());
    }

    #[test]
    fn what_cannot_be_read_is_said_to_be_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        assert!(error(&path.join("none")).starts_with("there is nothing at "));
        assert!(error(path).contains("has neither IDX files nor subfolders"), "{}", error(path));
        fs::write(path.join("notes.txt"), "x").unwrap();
        assert!(error(&path.join("notes.txt")).contains("is a file of no kind that is read"));
        let fashion = error(Path::new("fashion-mnist"));
        assert!(fashion.contains("is not built in") && fashion.contains("https://"), "{fashion}");
    }
}
