//! Images of one size as arrays, from the size and channels they have to those asked for.

use image::{DynamicImage, GrayImage, RgbImage};
use rayon::prelude::*;

use crate::error::{check_size, suggested_side};
use crate::picture::Picture;
use crate::{Channels, Dataset, DatasetError, ReadOptions, Splits, held_out};

/// Images with labels, grey or in colour, not yet square.
pub(crate) struct Arrays {
    /// N·C·H·W bytes in row-major (N, C, H, W) order.
    pub bytes: Vec<u8>,
    /// N class numbers.
    pub labels: Vec<u8>,
    /// 1 or 3.
    pub channels: usize,
    /// H; at least 1.
    pub height: usize,
    /// W; at least 1.
    pub width: usize,
}

impl From<Dataset> for Arrays {
    fn from(data: Dataset) -> Self {
        let (channels, side) = (data.channels(), data.side());
        let (bytes, labels) = data.into_parts();
        Self { bytes, labels, channels, height: side, width: side }
    }
}

/// Images in colour, before it is settled whether colour is kept.
pub(crate) struct Planes {
    /// S.
    pub side: usize,
    /// N·3·S·S bytes in row-major (N, 3, S, S) order.
    pub bytes: Vec<u8>,
}

impl Planes {
    fn images(&self) -> impl ParallelIterator<Item = &[u8]> {
        self.bytes.par_chunks(3 * self.side * self.side)
    }

    /// Whether any pixel is not grey.
    fn have_colour(&self) -> bool {
        let plane = self.side * self.side;
        self.images()
            .any(|image| image[..plane] != image[plane..2 * plane] || image[plane..2 * plane] != image[2 * plane..])
    }

    /// All planes of each image, or one of its brightness (Rec. 709, as televisions weigh it).
    fn with_channels(self, channels: usize) -> Vec<u8> {
        if channels == 3 {
            return self.bytes;
        }
        let plane = self.side * self.side;
        let grey = |image: &[u8]| -> Vec<u8> {
            let brightness = |pixel: usize| {
                let [red, green, blue] = [0, 1, 2].map(|channel| u32::from(image[channel * plane + pixel]));
                // The weights' sum is 10000, so that grey stays what it was.
                ((2126 * red + 7152 * green + 722 * blue + 5000) / 10_000) as u8
            };
            (0..plane).map(brightness).collect()
        };
        self.images().flat_map_iter(grey).collect()
    }
}

/// The channels of sets of images that belong together.
pub(crate) fn settle(train: Planes, test: Planes, channels: Channels) -> (usize, Vec<u8>, Vec<u8>) {
    let channels = match channels {
        Channels::Grey => 1,
        Channels::Colour => 3,
        Channels::Auto if train.have_colour() || test.have_colour() => 3,
        Channels::Auto => 1,
    };
    (channels, train.with_channels(channels), test.with_channels(channels))
}

impl Arrays {
    fn count(&self) -> usize {
        self.labels.len()
    }

    fn is_square(&self, options: &ReadOptions) -> bool {
        self.height == self.width && options.size.is_none_or(|size| size as usize == self.width)
    }

    /// Whether the images can stay as they are.
    fn suit(&self, options: &ReadOptions) -> bool {
        let channels = match options.channels {
            Channels::Auto | Channels::Grey => self.channels == 1,
            Channels::Colour => self.channels == 3,
        };
        self.is_square(options) && channels
    }

    /// The images in colour, square and of the size asked for.
    fn planes(&self, source: &str, options: &ReadOptions) -> Result<Planes, DatasetError> {
        let side = match options.size {
            Some(size) => size as usize,
            None if self.is_square(options) => self.width,
            None => {
                let (file, width, height) = (source.to_owned(), self.width, self.height);
                return Err(DatasetError::Rectangles {
                    file,
                    width,
                    height,
                    suggestion: suggested_side(width.min(height)),
                });
            }
        };
        check_size(source, self.count(), 3, side)?;
        let size = self.channels * self.height * self.width;
        let convert = |image: &[u8]| {
            let plane = self.height * self.width;
            let interleaved = (0..plane).flat_map(|pixel| (0..self.channels).map(move |c| image[c * plane + pixel]));
            let (width, height) = (self.width as u32, self.height as u32);
            let image = if self.channels == 1 {
                GrayImage::from_raw(width, height, interleaved.collect()).map(DynamicImage::from)
            } else {
                RgbImage::from_raw(width, height, interleaved.collect()).map(DynamicImage::from)
            };
            let image = image.ok_or("its size is beyond what an image can have")?;
            Picture::new(image).planes(side as u32, options.fit)
        };
        let images: Result<Vec<_>, String> = self.bytes.par_chunks(size).map(convert).collect();
        let images = images.map_err(|reason| DatasetError::Resize { file: source.to_owned(), reason })?;
        Ok(Planes { side, bytes: images.concat() })
    }

    /// The images whose `chosen` is as given.
    fn filtered(&self, chosen: &[bool], which: bool) -> Self {
        let size = self.channels * self.height * self.width;
        let indices = || (0..self.count()).filter(|&index| chosen[index] == which);
        Self {
            bytes: indices().flat_map(|index| &self.bytes[index * size..][..size]).copied().collect(),
            labels: indices().map(|index| self.labels[index]).collect(),
            ..*self
        }
    }
}

/// Makes a dataset of arrays: resized as asked, with a part held out where there are no test images.
/// `source` names them in errors.
pub(crate) fn splits(
    source: &str,
    name: String,
    train: Arrays,
    test: Option<Arrays>,
    class_names: Vec<String>,
    options: &ReadOptions,
) -> Result<Splits, DatasetError> {
    let mut notes = Vec::new();
    let (train, test) = match test {
        Some(test) => (train, test),
        None => {
            let chosen = held_out(&train.labels, |index| index.to_string(), options);
            let (kept, test) = (train.filtered(&chosen, false), train.filtered(&chosen, true));
            notes.push(held_out_note(kept.count(), test.count()));
            (kept, test)
        }
    };
    let classes = class_names.len();
    let (channels, side, train_bytes, test_bytes) = if train.suit(options) && test.suit(options) {
        (train.channels, train.width, train.bytes, test.bytes)
    } else {
        let [train_planes, test_planes] = [train.planes(source, options)?, test.planes(source, options)?];
        let side = train_planes.side;
        let (channels, train_bytes, test_bytes) = settle(train_planes, test_planes, options.channels);
        (channels, side, train_bytes, test_bytes)
    };
    let train = Dataset::new(train_bytes, train.labels, channels, side, classes)?;
    let test = Dataset::possibly_empty(test_bytes, test.labels, channels, side, classes)?;
    notes.extend(missing_note(&train, &class_names));
    Ok(Splits { name, train, test, class_names, notes })
}

/// What a user should know of a part that was held out.
pub(crate) fn held_out_note(train: usize, held_out: usize) -> String {
    match held_out {
        0 => format!("there is no test split and none was held out: all {train} images are trained on"),
        _ => format!("there is no test split, so {held_out} of {} images are held out", train + held_out),
    }
}

/// What a user should know of classes that nothing is learned of.
fn missing_note(train: &Dataset, class_names: &[String]) -> Option<String> {
    let counts = train.class_counts();
    let missing: Vec<_> =
        class_names.iter().zip(&counts).filter(|(_, count)| **count == 0).map(|(name, _)| name.as_str()).collect();
    (!missing.is_empty()).then(|| format!("no image to train on is of class {}", crate::error::listed(&missing)))
}

/// The numbers of classes, for want of names.
pub(crate) fn numbered(classes: usize) -> Vec<String> {
    (0..classes).map(|class| class.to_string()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// N images of 2x3 (height by width), the bytes counting up.
    fn arrays(count: usize, channels: usize) -> Arrays {
        let bytes = (0..count * channels * 6).map(|index| index as u8).collect();
        Arrays { bytes, labels: (0..count).map(|index| (index % 2) as u8).collect(), channels, height: 2, width: 3 }
    }

    fn made(train: Arrays, test: Option<Arrays>, options: &ReadOptions) -> Result<Splits, DatasetError> {
        splits("f.npz", "f".into(), train, test, numbered(2), options)
    }

    #[test]
    fn images_that_are_not_square_need_a_size() {
        let error = made(arrays(2, 1), None, &ReadOptions::default()).unwrap_err().to_string();
        assert_eq!(
            error,
            "the images of f.npz are 3x2 pixels, wide by high, and only square ones can be used; \
             make them square with --image-size 4, cropped or as --image-fit says"
        );
        let options = ReadOptions { size: Some(2), ..ReadOptions::default() };
        let splits = made(arrays(2, 3), Some(arrays(1, 3)), &options).unwrap();
        assert_eq!((splits.train.count(), splits.train.channels(), splits.train.side()), (2, 3, 2));
        assert_eq!((splits.test.count(), splits.test.side()), (1, 2));
    }

    #[test]
    fn colour_is_kept_where_there_is_any_in_either_split() {
        let options = ReadOptions { size: Some(1), ..ReadOptions::default() };
        let flat = |pixel: [u8; 3]| Arrays { bytes: pixel.to_vec(), labels: vec![0], channels: 3, height: 1, width: 1 };
        let channels = |test: [u8; 3], options: &ReadOptions| {
            let splits = made(flat([7; 3]), Some(flat(test)), options).unwrap();
            (splits.train.channels(), splits.train.images().to_vec(), splits.test.images().to_vec())
        };
        assert_eq!(channels([9; 3], &options), (1, vec![7], vec![9]));
        assert_eq!(channels([9, 9, 8], &options), (3, vec![7; 3], vec![9, 9, 8]));
        let grey = ReadOptions { channels: Channels::Grey, ..options.clone() };
        assert_eq!(channels([255, 0, 0], &grey), (1, vec![7], vec![54]));
        let colour = ReadOptions { channels: Channels::Colour, ..options };
        assert_eq!(channels([9; 3], &colour).0, 3);
    }

    #[test]
    fn what_is_held_out_is_counted_and_nothing_is_lost() {
        let square =
            |count: usize| Arrays { height: 1, width: 1, bytes: (0..count as u8).collect(), ..arrays(count, 1) };
        let splits = made(square(21), None, &ReadOptions::default()).unwrap();
        assert_eq!(splits.notes, ["there is no test split, so 2 of 21 images are held out"]);
        let mut all = [splits.train.images(), splits.test.images()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..21).collect::<Vec<u8>>());
        for (data, count) in [(&splits.train, 19), (&splits.test, 2)] {
            assert_eq!(data.count(), count);
            assert!(data.images().iter().zip(data.labels()).all(|(image, label)| image % 2 == *label));
        }
        let all = ReadOptions { held_out: 0.0, ..ReadOptions::default() };
        let splits = made(square(5), None, &all).unwrap();
        assert_eq!((splits.train.count(), splits.test.count()), (5, 0));
        assert!(splits.notes[0].contains("all 5 images are trained on"), "{:?}", splits.notes);
    }

    #[test]
    fn a_class_without_training_image_is_noted() {
        let one = Arrays { bytes: vec![1], labels: vec![1], channels: 1, height: 1, width: 1 };
        let test = Arrays { bytes: vec![1], labels: vec![0], channels: 1, height: 1, width: 1 };
        let splits = made(one, Some(test), &ReadOptions::default()).unwrap();
        assert_eq!(splits.notes, ["no image to train on is of class 0"]);
    }
}
