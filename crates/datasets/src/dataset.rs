//! Images with labels, in memory.

use crate::DatasetError;

/// N labelled square images of one size, every label below the number of classes.
#[derive(Clone, PartialEq, Eq)]
pub struct Dataset {
    images: Vec<u8>,
    labels: Vec<u8>,
    channels: usize,
    side: usize,
    classes: usize,
}

impl Dataset {
    /// Takes `images`, N·C·S·S bytes in row-major (N, C, S, S) order, and `labels`, N class numbers.
    ///
    /// # Errors
    /// When there is no image, when the two lengths do not agree, or when a label is not below `classes`.
    pub fn new(
        images: Vec<u8>,
        labels: Vec<u8>,
        channels: usize,
        side: usize,
        classes: usize,
    ) -> Result<Self, DatasetError> {
        if images.is_empty() || labels.is_empty() {
            return Err(DatasetError::NoImages);
        }
        Self::possibly_empty(images, labels, channels, side, classes)
    }

    /// As [`Dataset::new`], but there may be no image: nothing need be held out.
    pub(crate) fn possibly_empty(
        images: Vec<u8>,
        labels: Vec<u8>,
        channels: usize,
        side: usize,
        classes: usize,
    ) -> Result<Self, DatasetError> {
        let needed =
            [channels, side, side].iter().try_fold(labels.len(), |product, &factor| product.checked_mul(factor));
        if needed != Some(images.len()) {
            return Err(DatasetError::Shape { labels: labels.len(), channels, side, bytes: images.len() });
        }
        if let Some(index) = labels.iter().position(|&label| usize::from(label) >= classes) {
            return Err(DatasetError::Label { index, value: labels[index], classes });
        }
        Ok(Self { images, labels, channels, side, classes })
    }

    /// All images: N·C·S·S bytes in row-major (N, C, S, S) order, 0 (black) to 255 (white).
    pub fn images(&self) -> &[u8] {
        &self.images
    }

    /// The class of each image: N numbers, each below [`classes`](Self::classes).
    pub fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// N, the number of images; at least 1, but for held-out images where none are held out.
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// C, the channels of an image: 1 for grey, 3 for colour.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// S, the width and height of an image in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// The number of classes, 1 to 256; a class may have no image in this split.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The number of images of each class.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes];
        self.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
        counts
    }

    /// The images and the labels.
    pub(crate) fn into_parts(self) -> (Vec<u8>, Vec<u8>) {
        (self.images, self.labels)
    }
}

/// The shape, not the megabytes.
impl std::fmt::Debug for Dataset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dataset")
            .field("count", &self.count())
            .field("channels", &self.channels)
            .field("side", &self.side)
            .field("classes", &self.classes)
            .finish_non_exhaustive()
    }
}

/// A dataset: what to train on, and what to measure against.
/// Both halves have the same channels, side and classes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splits {
    /// A short name for logs and model cards, such as `mnist`.
    pub name: String,
    /// The images to train on.
    pub train: Dataset,
    /// The images held out: none where the images came without a test split and none were to be held out.
    pub test: Dataset,
    /// The name of each class, as many as there are classes.
    pub class_names: Vec<String>,
    /// What a user should know of how the images were read, a sentence each without its full stop.
    pub notes: Vec<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_it_is_given() {
        let data = Dataset::new((0..24).collect(), vec![1, 0], 3, 2, 2).unwrap();
        assert_eq!((data.count(), data.channels(), data.side(), data.classes()), (2, 3, 2, 2));
        assert_eq!(data.images()[23], 23);
        assert_eq!(data.labels(), [1, 0]);
        assert_eq!(data.class_counts(), [1, 1]);
    }

    #[test]
    fn refuses_an_empty_set() {
        let error = Dataset::new(vec![], vec![], 1, 28, 10).unwrap_err();
        assert!(matches!(error, DatasetError::NoImages), "{error}");
    }

    #[test]
    fn refuses_lengths_that_do_not_agree() {
        for (bytes, side) in [(7, 2), (9, 2), (8, usize::MAX)] {
            let error = Dataset::new(vec![0; bytes], vec![0, 0], 1, side, 2).unwrap_err();
            assert!(matches!(error, DatasetError::Shape { .. }), "{error}");
        }
    }

    #[test]
    fn names_the_label_out_of_range() {
        let error = Dataset::new(vec![0; 3], vec![0, 9, 10], 1, 1, 10).unwrap_err();
        assert_eq!(
            error.to_string(),
            "label 2 is 10, but with 10 classes a label is 0 to 9; correct it or raise the number of classes"
        );
    }
}
