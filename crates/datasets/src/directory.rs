//! A dataset as a directory of four IDX files.

use std::{
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
};

use crate::{Dataset, DatasetError, Splits, idx};

/// Reads a directory in the layout of MNIST, such as Fashion-MNIST or KMNIST:
/// `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
/// `t10k-labels-idx1-ubyte`, each gzipped or not, with or without `.gz`, also spelt `train-images.idx3-ubyte`.
///
/// Images are square and grey, so C is 1. The number of classes is the greatest label of both splits
/// plus one, and at least 2. The name is the directory's.
///
/// # Errors
/// When `path` is not a directory, a file is missing, unreadable, damaged or not what its name says,
/// images and labels differ in number, or the two splits differ in image size.
pub fn idx_directory(path: impl AsRef<Path>) -> Result<Splits, DatasetError> {
    let directory = path.as_ref();
    if !directory.is_dir() {
        return Err(DatasetError::NotADirectory { path: directory.to_owned() });
    }
    let (train, train_labels) = split(directory, "train")?;
    let (test, test_labels) = split(directory, "t10k")?;
    if train.side != test.side {
        return Err(DatasetError::Sides { directory: directory.to_owned(), train: train.side, test: test.side });
    }
    let greatest = train_labels.iter().chain(&test_labels).max();
    let classes = greatest.map_or(2, |&label| (usize::from(label) + 1).max(2));
    Ok(Splits {
        name: name_of(directory),
        train: Dataset::new(train.bytes, train_labels, 1, train.side, classes)?,
        test: Dataset::new(test.bytes, test_labels, 1, test.side, classes)?,
    })
}

/// Reads `{prefix}-images…` and `{prefix}-labels…`, as many of one as of the other.
fn split(directory: &Path, prefix: &str) -> Result<(idx::Images, Vec<u8>), DatasetError> {
    let images_path = find(directory, &format!("{prefix}-images"), "idx3-ubyte")?;
    let labels_path = find(directory, &format!("{prefix}-labels"), "idx1-ubyte")?;
    let (images_file, labels_file) = (images_path.display().to_string(), labels_path.display().to_string());
    let images = idx::images(&images_file, open(&images_path)?)?;
    let labels = idx::labels(&labels_file, open(&labels_path)?)?;
    if images.count != labels.len() {
        return Err(DatasetError::Counts { images_file, images: images.count, labels_file, labels: labels.len() });
    }
    Ok((images, labels))
}

/// The first of the file's usual spellings that is there.
fn find(directory: &Path, stem: &str, suffix: &str) -> Result<PathBuf, DatasetError> {
    let names = ["-", "."].map(|joint| format!("{stem}{joint}{suffix}"));
    names
        .iter()
        .flat_map(|name| [directory.join(format!("{name}.gz")), directory.join(name)])
        .find(|path| path.is_file())
        .ok_or_else(|| DatasetError::MissingFile {
            directory: directory.to_owned(),
            looked_for: format!("{} or {}, with or without .gz", names[0], names[1]),
        })
}

fn open(path: &Path) -> Result<BufReader<File>, DatasetError> {
    File::open(path)
        .map(BufReader::new)
        .map_err(|reason| DatasetError::Read { file: path.display().to_string(), reason })
}

/// The directory's own name, also where it is given as `.` or through a link.
fn name_of(directory: &Path) -> String {
    let full = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    full.file_name().map_or_else(|| full.display().to_string(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;
    use crate::idx::tests::{gzip, idx};

    /// Three training and two test images of 2x2, in a mixture of the spellings.
    fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: Vec<u8>| fs::write(directory.path().join(name), bytes).unwrap();
        write("train-images-idx3-ubyte.gz", gzip(&idx(0x803, &[3, 2, 2], &[9; 12])));
        write("train-labels.idx1-ubyte", idx(0x801, &[3], &[0, 4, 1]));
        write("t10k-images.idx3-ubyte.gz", idx(0x803, &[2, 2, 2], &[7; 8]));
        write("t10k-labels-idx1-ubyte", gzip(&idx(0x801, &[2], &[6, 0])));
        directory
    }

    /// The error after `name` in [`directory`] has been replaced.
    fn error_with(name: &str, bytes: Vec<u8>) -> String {
        let directory = directory();
        fs::write(directory.path().join(name), bytes).unwrap();
        idx_directory(directory.path()).unwrap_err().to_string()
    }

    #[test]
    fn reads_every_spelling() {
        let directory = directory();
        let splits = idx_directory(directory.path()).unwrap();
        assert_eq!(splits.name, directory.path().file_name().unwrap().to_str().unwrap());
        assert_eq!((splits.train.count(), splits.test.count()), (3, 2));
        assert_eq!(splits.train.labels(), [0, 4, 1]);
        assert_eq!(splits.test.images(), [7; 8]);
        // The greatest label, 6, is in the test split.
        assert_eq!((splits.train.classes(), splits.test.classes()), (7, 7));
    }

    #[test]
    fn there_are_at_least_two_classes() {
        let directory = directory();
        fs::write(directory.path().join("train-labels.idx1-ubyte"), idx(0x801, &[3], &[0; 3])).unwrap();
        fs::write(directory.path().join("t10k-labels-idx1-ubyte"), idx(0x801, &[2], &[0; 2])).unwrap();
        assert_eq!(idx_directory(directory.path()).unwrap().test.classes(), 2);
    }

    #[test]
    fn a_missing_directory_is_named() {
        let error = idx_directory("/no/such/place").unwrap_err().to_string();
        assert!(error.starts_with("/no/such/place is not a directory"), "{error}");
    }

    #[test]
    fn a_missing_file_is_named_with_its_directory() {
        let directory = directory();
        fs::remove_file(directory.path().join("t10k-images.idx3-ubyte.gz")).unwrap();
        let error = idx_directory(directory.path()).unwrap_err().to_string();
        assert!(error.contains(&directory.path().display().to_string()), "{error}");
        assert!(error.contains("t10k-images-idx3-ubyte or t10k-images.idx3-ubyte, with or without .gz"), "{error}");
    }

    #[test]
    fn as_many_labels_as_images() {
        let error = error_with("train-labels.idx1-ubyte", idx(0x801, &[2], &[0, 1]));
        assert!(error.contains("holds 3 images but"), "{error}");
        assert!(error.contains("holds 2 labels"), "{error}");
    }

    #[test]
    fn both_splits_have_one_image_size() {
        let error = error_with("t10k-images.idx3-ubyte.gz", idx(0x803, &[2, 3, 3], &[0; 18]));
        assert!(error.contains("training images have 2 pixels a side and its test images 3"), "{error}");
    }

    #[test]
    fn errors_of_a_file_name_its_path() {
        let error = error_with("t10k-labels-idx1-ubyte", idx(0x803, &[2, 2, 2], &[0; 8]));
        assert!(error.contains("t10k-labels-idx1-ubyte holds IDX images"), "{error}");
    }
}
