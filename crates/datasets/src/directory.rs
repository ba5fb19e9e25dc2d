//! A dataset as a directory of four IDX files.

use std::{
    fs::{self, File},
    io::BufReader,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::arrays::numbered;
use crate::error::plural;
use crate::{Dataset, DatasetError, Splits, idx};

/// A file in a directory of IDX files that names the classes.
const CLASS_NAMES: &str = "classes.txt";
/// The SHA-256 of Fashion-MNIST's training labels, unpacked and without their header.
const FASHION_MNIST_LABELS: &str = "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7";
/// Their names, as published with them.
const FASHION_MNIST: [&str; 10] =
    ["T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"];

/// Reads a directory in the layout of MNIST, such as Fashion-MNIST or KMNIST:
/// `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
/// `t10k-labels-idx1-ubyte`, each gzipped or not, with or without `.gz`, also spelt `train-images.idx3-ubyte`.
///
/// Images are square and grey, so C is 1. The number of classes is the greatest label of both splits
/// plus one, and at least 2. A file `classes.txt` there may name them, a line each; Fashion-MNIST's are known.
/// The name is the directory's.
///
/// # Errors
/// When `path` is not a directory, a file is missing, unreadable, damaged or not what its name says,
/// images and labels differ in number, the two splits differ in image size, or there are fewer names than classes.
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
    let class_names = class_names(directory, &train_labels, &test_labels)?;
    let classes = class_names.len();
    Ok(Splits {
        name: name_of(directory),
        train: Dataset::new(train.bytes, train_labels, 1, train.side, classes)?,
        test: Dataset::new(test.bytes, test_labels, 1, test.side, classes)?,
        class_names,
        notes: Vec::new(),
    })
}

/// Whether a directory has a file that is named as MNIST's are.
pub(crate) fn looks_like_idx(directory: &Path) -> bool {
    let is_named_so =
        |name: &str| ["train-images", "train-labels", "t10k-"].iter().any(|start| name.starts_with(start));
    let mut entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.any(|entry| is_named_so(&entry.file_name().to_string_lossy()) && entry.path().is_file())
}

/// The names in `classes.txt`, or those of a set that is known by its labels, or numbers.
fn class_names(directory: &Path, train: &[u8], test: &[u8]) -> Result<Vec<String>, DatasetError> {
    let greatest = train.iter().chain(test).max().copied().unwrap_or_default();
    let path = directory.join(CLASS_NAMES);
    let file = path.display().to_string();
    if path.is_file() {
        let text = fs::read_to_string(&path).map_err(|reason| DatasetError::Read { file: file.clone(), reason })?;
        let names: Vec<_> = text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
        if !(usize::from(greatest) + 1..=256).contains(&names.len()) {
            return Err(DatasetError::ClassNames { file, names: plural(names.len(), "class", "classes"), greatest });
        }
        return Ok(names);
    }
    let digest: String = Sha256::digest(train).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(if digest == FASHION_MNIST_LABELS {
        FASHION_MNIST.map(str::to_owned).to_vec()
    } else {
        numbered((usize::from(greatest) + 1).max(2))
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
pub(crate) fn name_of(directory: &Path) -> String {
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

    #[test]
    fn classes_may_be_named() {
        let directory = directory();
        assert_eq!(idx_directory(directory.path()).unwrap().class_names, ["0", "1", "2", "3", "4", "5", "6"]);
        fs::write(directory.path().join(CLASS_NAMES), "a\nb \nc\nd\ne\nf\ng\n\n").unwrap();
        assert_eq!(idx_directory(directory.path()).unwrap().class_names[..2], ["a", "b"]);
        let error = error_with(CLASS_NAMES, b"a\nb\n".to_vec());
        assert!(error.contains("names 2 classes but the labels go up to 6"), "{error}");
    }
}
