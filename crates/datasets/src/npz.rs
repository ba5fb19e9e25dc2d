//! NumPy's .npz files: a zip archive of arrays.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::ZipArchive;

use crate::arrays::{Arrays, numbered, splits};
use crate::npy::{Array, Failure, Kind};
use crate::{DatasetError, ReadOptions, Splits};

/// What arrays of images and labels to train on are called, in the order in which they are looked for.
const TRAIN: [[&str; 2]; 8] = [
    ["x_train", "y_train"],
    ["X_train", "y_train"],
    ["train_images", "train_labels"],
    ["images", "labels"],
    ["x", "y"],
    ["X", "y"],
    ["data", "labels"],
    ["arr_0", "arr_1"],
];
/// Likewise those held out; none is needed.
const TEST: [[&str; 2]; 6] = [
    ["x_test", "y_test"],
    ["X_test", "y_test"],
    ["test_images", "test_labels"],
    ["x_val", "y_val"],
    ["X_val", "y_val"],
    ["val_images", "val_labels"],
];

/// Reads a .npz file, compressed or not, as numpy.savez, Keras and MedMNIST write them.
pub(crate) fn read(path: &Path, options: &ReadOptions) -> Result<Splits, DatasetError> {
    let mut archive = Archive::open(path)?;
    let Some(train) = archive.pair(&TRAIN) else {
        return Err(DatasetError::NoArrays { file: archive.file.clone(), found: archive.found() });
    };
    let train = archive.images(train)?;
    let test = archive.pair(&TEST).map(|pair| archive.images(pair)).transpose()?;
    let shape = |arrays: &Arrays| (arrays.channels, arrays.height, arrays.width);
    if let Some(test) = test.as_ref().filter(|test| shape(test) != shape(&train)) {
        let what = format!(
            "has images of {:?} (channels, height, width) and those to train on have {:?}; make them alike",
            shape(test),
            shape(&train)
        );
        return Err(archive.wrong("of test images", what));
    }
    let labels = train.labels.iter().chain(test.iter().flat_map(|test| &test.labels));
    let classes = labels.max().map_or(1, |&label| usize::from(label) + 1);
    let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    splits(&archive.file, name, train, test, numbered(classes), options)
}

/// An open file.
struct Archive {
    /// Its path, for messages.
    file: String,
    zip: ZipArchive<BufReader<File>>,
}

impl Archive {
    fn open(path: &Path) -> Result<Self, DatasetError> {
        let file = path.display().to_string();
        let reader = File::open(path).map_err(|reason| DatasetError::Read { file: file.clone(), reason })?;
        match ZipArchive::new(BufReader::new(reader)) {
            Ok(zip) => Ok(Self { file, zip }),
            Err(error) => Err(DatasetError::Npz { file, reason: error.to_string() }),
        }
    }

    /// The names of the arrays, in words.
    fn found(&self) -> String {
        let names = self.zip.file_names().flatten();
        let names: Vec<_> = names.filter_map(|name| name.strip_suffix(".npy").map(str::to_owned)).collect();
        if names.is_empty() { "no arrays".into() } else { format!("the arrays {}", names.join(", ")) }
    }

    /// The first pair of names that are both there.
    fn pair(&self, pairs: &[[&'static str; 2]]) -> Option<[&'static str; 2]> {
        let has = |name: &&str| self.zip.index_for_name(&format!("{name}.npy")).is_some();
        pairs.iter().find(|pair| pair.iter().all(has)).copied()
    }

    fn wrong(&self, array: &str, what: impl Into<String>) -> DatasetError {
        DatasetError::Array { file: self.file.clone(), array: array.to_owned(), what: what.into() }
    }

    /// The images and labels of a pair of names.
    fn images(&mut self, [images, labels]: [&str; 2]) -> Result<Arrays, DatasetError> {
        let array = self.array(images)?;
        let [count, channels, height, width] = self.image_shape(images, &array.shape)?;
        let bytes = self.pixels(images, &array)?;
        let bytes = if channels_are_last(&array.shape) { planar(&bytes, channels, height * width) } else { bytes };
        let array = self.array(labels)?;
        let labels_found = self.labels(labels, &array)?;
        if labels_found.len() != count {
            let what =
                format!("has {} labels and {images} has {count} images; give each image one", labels_found.len());
            return Err(self.wrong(labels, what));
        }
        Ok(Arrays { bytes, labels: labels_found, channels, height, width })
    }

    fn array(&mut self, name: &str) -> Result<Array, DatasetError> {
        let damaged =
            |reason: String| DatasetError::Npz { file: self.file.clone(), reason: format!("{name}: {reason}") };
        let array = match self.zip.by_name(&format!("{name}.npy")) {
            Ok(entry) => Array::read(entry),
            Err(error) => return Err(damaged(error.to_string())),
        };
        array.map_err(|failure| match failure {
            Failure::Damaged(reason) => damaged(reason),
            Failure::Unfit(what) => self.wrong(name, what),
        })
    }

    /// N, C, H and W of an array of images.
    fn image_shape(&self, name: &str, shape: &[usize]) -> Result<[usize; 4], DatasetError> {
        match *shape {
            [count, height, width] => Ok([count, 1, height, width]),
            [count, height, width, channels @ (1 | 3)] => Ok([count, channels, height, width]),
            [count, channels @ (1 | 3), height, width] => Ok([count, channels, height, width]),
            _ => {
                let what = format!(
                    "has the shape {shape:?}, not (N, H, W), (N, H, W, C) or (N, C, H, W) with C = 1 or 3; reshape it"
                );
                Err(self.wrong(name, what))
            }
        }
    }

    /// The elements of an array of images as bytes: unsigned bytes as they are, other integers likewise if they
    /// are 0 to 255, floats from 0 to 1 and booleans times 255.
    fn pixels(&self, name: &str, array: &Array) -> Result<Vec<u8>, DatasetError> {
        let (scale, most) = match array.kind {
            Kind::Unsigned if array.bytes.len() == array.shape.iter().product::<usize>() => {
                return Ok(array.bytes.clone());
            }
            Kind::Unsigned | Kind::Signed => (1.0, 255.0),
            Kind::Float | Kind::Boolean => (255.0, 1.0),
        };
        if let Some(value) = array.values().find(|value| !(0.0..=most).contains(value)) {
            // As it was typed: 0.1 in single precision is no 0.1 in double.
            let value = value as f32;
            let what = if scale == 1.0 {
                format!("holds {value}, and a pixel is 0 to 255; save it as uint8")
            } else {
                format!("holds {value}, and floats are taken as 0 (black) to 1 (white); scale it, or save it as uint8")
            };
            return Err(self.wrong(name, what));
        }
        Ok(array.values().map(|value| (value * scale).round() as u8).collect())
    }

    /// The elements of an array of labels: integers from 0 to 255, (N) or (N, 1).
    fn labels(&self, name: &str, array: &Array) -> Result<Vec<u8>, DatasetError> {
        match *array.shape {
            [_] | [_, 1] => {}
            [_, classes] => {
                let what = format!("has {classes} columns; save the number of each image's class, such as y.argmax(1)");
                return Err(self.wrong(name, what));
            }
            _ => return Err(self.wrong(name, format!("has the shape {:?}, not (N); reshape it", array.shape))),
        }
        if !matches!(array.kind, Kind::Unsigned | Kind::Signed) {
            let what =
                format!("has elements of type {}, and labels are integers; save y.astype('uint8')", array.element);
            return Err(self.wrong(name, what));
        }
        let label = |value: f64| {
            let what = || format!("holds the label {value}, and classes are numbered from 0 to 255; number them anew");
            (0.0..=255.0).contains(&value).then_some(value as u8).ok_or_else(|| self.wrong(name, what()))
        };
        array.values().map(label).collect()
    }
}

/// Where both are possible, as in (N, 3, 3, 3), channels are last, as most files have them.
fn channels_are_last(shape: &[usize]) -> bool {
    matches!(shape, [_, _, _, 1 | 3])
}

/// (N, H, W, C) as (N, C, H, W); a plane has H·W pixels.
fn planar(bytes: &[u8], channels: usize, plane: usize) -> Vec<u8> {
    let image = |image: &[u8]| -> Vec<u8> {
        (0..channels)
            .flat_map(|channel| (0..plane).map(move |pixel| (channel, pixel)))
            .map(|(c, p)| image[p * channels + c])
            .collect()
    };
    bytes.chunks_exact(channels * plane).flat_map(image).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;
    use crate::Channels;
    use crate::npy::tests::npy;

    fn u8s(shape: &str, data: &[u8]) -> Vec<u8> {
        npy("|u1", "False", shape, data)
    }

    /// Writes the arrays, reads them as images of the file `digits.npz`.
    fn read_with(
        arrays: &[(&str, Vec<u8>)],
        compression: CompressionMethod,
        options: &ReadOptions,
    ) -> Result<Splits, DatasetError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("digits.npz");
        let mut writer = ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in arrays {
            writer
                .start_file(format!("{name}.npy"), SimpleFileOptions::default().compression_method(compression))
                .unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap();
        read(&path, options)
    }

    fn read_all(arrays: &[(&str, Vec<u8>)]) -> Result<Splits, DatasetError> {
        let all = ReadOptions { held_out: 0.0, ..ReadOptions::default() };
        read_with(arrays, CompressionMethod::Deflated, &all)
    }

    /// The error for these images with two labels.
    fn images_error(images: Vec<u8>) -> String {
        read_all(&[("x_train", images), ("y_train", u8s("2,", &[0, 1]))]).unwrap_err().to_string()
    }

    /// The error for these labels of two images.
    fn labels_error(labels: Vec<u8>) -> String {
        read_all(&[("images", u8s("2, 1, 1", &[0, 1])), ("labels", labels)]).unwrap_err().to_string()
    }

    #[test]
    fn reads_mnist_as_keras_has_it_compressed_or_not() {
        let arrays = [
            ("x_train", u8s("3, 2, 2", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])),
            ("y_train", u8s("3,", &[2, 0, 1])),
            ("x_test", u8s("1, 2, 2", &[0, 0, 0, 9])),
            ("y_test", u8s("1,", &[4])),
        ];
        for compression in [CompressionMethod::Stored, CompressionMethod::Deflated] {
            let splits = read_with(&arrays, compression, &ReadOptions::default()).unwrap();
            assert_eq!(splits.name, "digits");
            assert_eq!(splits.train.images(), (1..=12).collect::<Vec<u8>>());
            assert_eq!((splits.train.labels(), splits.test.labels()), ([2, 0, 1].as_slice(), [4].as_slice()));
            assert_eq!(splits.class_names, ["0", "1", "2", "3", "4"]);
            assert_eq!(splits.notes, ["no image to train on is of class 3, 4"]);
        }
    }

    #[test]
    fn channels_may_be_first_or_last_and_are_first_afterwards() {
        let labels = || ("train_labels", npy("<i8", "False", "2, 1", &[[0; 8], [1, 0, 0, 0, 0, 0, 0, 0]].concat()));
        // Two images of 2x2 whose red, green and blue are 0, 10 and 20 plus the pixel's number.
        let last: Vec<u8> = (0..2 * 4).flat_map(|pixel| [pixel, 10 + pixel, 20 + pixel]).collect();
        let first: Vec<u8> = (0..2)
            .flat_map(|image| [0, 10, 20].map(|c| (0..4).map(move |pixel| c + 4 * image + pixel)))
            .flatten()
            .collect();
        for (shape, data) in [("2, 2, 2, 3", &last), ("2, 3, 2, 2", &first)] {
            let splits = read_all(&[("train_images", u8s(shape, data)), labels()]).unwrap();
            assert_eq!((splits.train.channels(), splits.train.side(), splits.train.count()), (3, 2, 2));
            assert_eq!(splits.train.images(), first, "{shape}");
            assert_eq!(splits.train.labels(), [0, 1]);
        }
        let one = read_all(&[("train_images", u8s("2, 1, 1, 1", &[5, 6])), labels()]).unwrap();
        assert_eq!((one.train.channels(), one.train.images()), (1, [5, 6].as_slice()));
    }

    #[test]
    fn floats_are_zero_to_one_and_nothing_else() {
        let floats = |values: [f32; 2]| npy("<f4", "False", "2, 1, 1", &values.map(f32::to_le_bytes).concat());
        let labels = || ("y_train", u8s("2,", &[0, 1]));
        let splits = read_all(&[("x_train", floats([0.2, 1.0])), labels()]).unwrap();
        assert_eq!(splits.train.images(), [51, 255]);
        let big = npy(">f8", "False", "2, 1, 1", &[0.0_f64, 0.6].map(f64::to_be_bytes).concat());
        assert_eq!(read_all(&[("x_train", big), labels()]).unwrap().train.images(), [0, 153]);
        for value in [1.5, -0.01, f32::NAN, f32::INFINITY] {
            let error = images_error(floats([0.0, value]));
            assert!(error.contains(&format!("holds {value}")) && error.contains("0 (black) to 1 (white)"), "{error}");
        }
        assert!(images_error(npy("<f2", "False", "2, 1, 1", &[0; 4])).contains("elements of type <f2"));
    }

    #[test]
    fn integers_are_bytes() {
        let wide = npy("<i4", "False", "2, 1, 1", &[7_i32, 255].map(i32::to_le_bytes).concat());
        let splits = read_all(&[("x_train", wide), ("y_train", u8s("2,", &[0, 1]))]).unwrap();
        assert_eq!(splits.train.images(), [7, 255]);
        for value in [256_i32, -1] {
            let wide = npy("<i4", "False", "2, 1, 1", &[7_i32, value].map(i32::to_le_bytes).concat());
            assert!(images_error(wide).contains(&format!("holds {value}, and a pixel is 0 to 255")));
        }
    }

    #[test]
    fn labels_of_every_integer_type() {
        for (element, bytes) in [
            ("|i1", vec![3, 1]),
            ("<u2", vec![3, 0, 1, 0]),
            (">u2", vec![0, 3, 0, 1]),
            ("<i4", [3_i32, 1].map(i32::to_le_bytes).concat()),
            (">i8", [3_i64, 1].map(i64::to_be_bytes).concat()),
            ("<u8", [3_u64, 1].map(u64::to_le_bytes).concat()),
        ] {
            let labels = npy(element, "False", "2,", &bytes);
            let splits = read_all(&[("arr_0", u8s("2, 1, 1", &[0, 1])), ("arr_1", labels)]).unwrap();
            assert_eq!(splits.train.labels(), [3, 1], "{element}");
        }
    }

    #[test]
    fn labels_that_are_none_are_refused() {
        let i2 = |values: [i16; 2]| npy("<i2", "False", "2,", &values.map(i16::to_le_bytes).concat());
        assert!(labels_error(i2([0, 256])).contains("the label 256, and classes are numbered from 0 to 255"));
        assert!(labels_error(i2([-1, 0])).contains("the label -1"));
        assert!(labels_error(npy("<f4", "False", "2,", &[0; 8])).contains("labels are integers"));
        assert!(labels_error(u8s("2, 3", &[0; 6])).contains("has 3 columns; save the number"));
        assert!(labels_error(u8s("3,", &[0; 3])).contains("has 3 labels and images has 2 images"));
        assert!(labels_error(u8s("2, 1, 1", &[0; 2])).contains("reshape it"));
    }

    #[test]
    fn shapes_that_are_no_images_are_refused() {
        for (shape, size) in [("2,", 2), ("2, 784", 1568), ("2, 5, 5, 4", 200), ("2, 1, 1, 1, 1", 2)] {
            assert!(images_error(u8s(shape, &vec![0; size])).contains("not (N, H, W)"), "{shape}");
        }
        assert!(images_error(u8s("0, 2, 2", &[])).contains("is empty"));
        assert!(images_error(npy("|u1", "True", "2, 2, 2", &[0; 8])).contains("ascontiguousarray"));
        assert!(images_error(u8s("2, 2, 3", &[0; 12])).contains("3x2 pixels, wide by high"));
        let error = read_all(&[
            ("x_train", u8s("1, 1, 1", &[0])),
            ("y_train", u8s("1,", &[0])),
            ("x_test", u8s("1, 2, 2", &[0; 4])),
            ("y_test", u8s("1,", &[0])),
        ]);
        assert!(error.unwrap_err().to_string().contains("make them alike"));
    }

    #[test]
    fn a_part_is_held_out_where_there_is_no_test_split() {
        let arrays = [("x", u8s("20, 1, 1", &[7; 20])), ("y", u8s("20,", &[[0; 10], [1; 10]].concat()))];
        let splits = read_with(&arrays, CompressionMethod::Stored, &ReadOptions::default()).unwrap();
        assert_eq!((splits.train.class_counts(), splits.test.class_counts()), (vec![9, 9], vec![1, 1]));
        assert_eq!(splits.notes, ["there is no test split, so 2 of 20 images are held out"]);
    }

    #[test]
    fn colour_and_size_are_as_asked() {
        let arrays = [("x", u8s("1, 2, 4", &[9; 8])), ("y", u8s("1,", &[0]))];
        let options = ReadOptions { size: Some(3), channels: Channels::Colour, ..ReadOptions::default() };
        let splits = read_with(&arrays, CompressionMethod::Stored, &options).unwrap();
        assert_eq!(splits.train.images(), [9; 27]);
    }

    #[test]
    fn damaged_files_are_named_with_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        std::fs::write(&path, b"PK\x03\x04 and then nothing").unwrap();
        let error = read(&path, &ReadOptions::default()).unwrap_err().to_string();
        assert!(error.contains("a.npz is no usable .npz file"), "{error}");
        let error = read_all(&[("x_train", u8s("1, 1, 1", &[0]))]).unwrap_err().to_string();
        assert!(error.contains("digits.npz has the arrays x_train; name the arrays"), "{error}");
        // Fewer bytes than announced, more, 2^63 of them, and what is no array at all.
        assert!(
            images_error(u8s("2, 2, 2", &[0; 7]))
                .contains("(x_train: it has not the 8 bytes that its header announces)")
        );
        assert!(images_error(u8s("2, 2, 2", &[0; 9])).contains("has not the 8 bytes"));
        assert!(images_error(u8s("9223372036854775808, 2, 2", &[])).contains("more than can be loaded"));
        assert!(images_error(b"nonsense".to_vec()).contains("x_train: "));
    }
}
