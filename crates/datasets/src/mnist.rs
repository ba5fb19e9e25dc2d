//! MNIST, embedded as it was published (see `data/mnist/README.md`).

use sha2::{Digest, Sha256};

use crate::arrays::numbered;
use crate::{Dataset, DatasetError, Splits, idx};

/// One embedded file: its name, its SHA-256 as published, and its gzipped bytes.
struct Embedded {
    name: &'static str,
    sha256: &'static str,
    bytes: &'static [u8],
}

macro_rules! embedded {
    ($name:literal, $sha256:literal) => {
        Embedded {
            name: concat!("data/mnist/", $name),
            sha256: $sha256,
            bytes: include_bytes!(concat!("../../../data/mnist/", $name)),
        }
    };
}

static TRAIN_IMAGES: Embedded =
    embedded!("train-images-idx3-ubyte.gz", "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609");
static TRAIN_LABELS: Embedded =
    embedded!("train-labels-idx1-ubyte.gz", "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c");
static TEST_IMAGES: Embedded =
    embedded!("t10k-images-idx3-ubyte.gz", "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6");
static TEST_LABELS: Embedded =
    embedded!("t10k-labels-idx1-ubyte.gz", "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6");

impl Embedded {
    /// The bytes, once their digest is seen to be the published one.
    fn verified(&self) -> Result<&'static [u8], DatasetError> {
        let digest = Sha256::digest(self.bytes);
        let found: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        if found == self.sha256 {
            Ok(self.bytes)
        } else {
            Err(DatasetError::Digest { file: self.name.to_owned(), expected: self.sha256, found })
        }
    }
}

/// MNIST, 60000 training and 10000 test images of handwritten digits: grey (C = 1), 28 pixels a side, 10 classes.
///
/// # Errors
/// Only when this program was built from files that are not the published ones.
pub fn mnist() -> Result<Splits, DatasetError> {
    Ok(Splits {
        name: "mnist".to_owned(),
        train: split(&TRAIN_IMAGES, &TRAIN_LABELS)?,
        test: split(&TEST_IMAGES, &TEST_LABELS)?,
        class_names: numbered(10),
        notes: Vec::new(),
    })
}

fn split(images: &Embedded, labels: &Embedded) -> Result<Dataset, DatasetError> {
    let decoded = idx::images(images.name, images.verified()?)?;
    let labels = idx::labels(labels.name, labels.verified()?)?;
    Dataset::new(decoded.bytes, labels, 1, decoded.side, 10)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn is_the_published_set() {
        let splits = mnist().unwrap();
        assert_eq!((splits.train.count(), splits.test.count()), (60_000, 10_000));
        for data in [&splits.train, &splits.test] {
            assert_eq!((data.channels(), data.side(), data.classes()), (1, 28, 10));
        }
        assert_eq!(splits.train.labels()[..5], [5, 0, 4, 1, 9]);
        assert_eq!(splits.test.labels()[..5], [7, 2, 1, 0, 4]);
        // The mean brightness everyone normalises by, 0.1307.
        let sum: u64 = splits.train.images().iter().map(|&byte| u64::from(byte)).sum();
        let mean = sum as f64 / splits.train.images().len() as f64 / 255.0;
        assert!((mean - 0.1307).abs() < 1e-4, "{mean}");
    }

    #[test]
    fn an_altered_file_is_found_out() {
        let altered = Embedded { bytes: &TEST_LABELS.bytes[1..], ..TEST_LABELS };
        let error = altered.verified().unwrap_err();
        assert!(matches!(error, DatasetError::Digest { .. }), "{error}");
        assert!(error.to_string().starts_with("data/mnist/t10k-labels-idx1-ubyte.gz has SHA-256 "));
    }
}
