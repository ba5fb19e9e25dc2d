//! What can be wrong with a dataset.

use std::{io, path::PathBuf};

/// Why a dataset could not be had. Each displays as one sentence that names the file and says what to do.
///
/// The sentence includes what the operating system said, so there is no chain of sources to print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// The path given is not a directory.
    #[error("{} is not a directory; give the path of a directory with the four IDX files of a dataset", path.display())]
    NotADirectory {
        /// The path as given.
        path: PathBuf,
    },
    /// One of the four files is not there.
    #[error("the directory {} has no file named {looked_for}; put it there, or choose another directory", directory.display())]
    MissingFile {
        /// The directory searched.
        directory: PathBuf,
        /// The names tried, in words.
        looked_for: String,
    },
    /// The operating system could not read a file.
    #[error("cannot read {file}: {reason}; check that it may be read and that its disk is well")]
    Read {
        /// The file.
        file: String,
        /// What the operating system said.
        reason: io::Error,
    },
    /// A gzip stream ends early, fails its checksum or is followed by something else.
    #[error("{file} is a damaged or incomplete gzip file ({reason}); fetch it again")]
    Gzip {
        /// The file.
        file: String,
        /// What the decoder said.
        reason: io::Error,
    },
    /// A file of labels stands where images are expected, or the other way round.
    #[error(
        "{file} holds IDX {found} (0x{found_magic:08x}) where {expected} (0x{expected_magic:08x}) were expected; \
         were the image and label files swapped?"
    )]
    Swapped {
        /// The file.
        file: String,
        /// What was expected: `images` or `labels`.
        expected: &'static str,
        /// The magic number of what was expected.
        expected_magic: u32,
        /// What was found: `images` or `labels`.
        found: &'static str,
        /// The magic number found.
        found_magic: u32,
    },
    /// A file does not start as an IDX file of unsigned bytes does.
    #[error(
        "{file} starts with 0x{found_magic:08x} where IDX {expected} start with 0x{expected_magic:08x}; \
         replace it by an IDX file of unsigned bytes"
    )]
    Magic {
        /// The file.
        file: String,
        /// What was expected: `images` or `labels`.
        expected: &'static str,
        /// The magic number of what was expected.
        expected_magic: u32,
        /// The first four bytes, big-endian.
        found_magic: u32,
    },
    /// A file ends before its header says.
    #[error("{file} is truncated: it ends after {found} of {expected} bytes (counted unpacked); fetch it again")]
    TooShort {
        /// The file.
        file: String,
        /// Bytes it should have, header included, uncompressed.
        expected: u64,
        /// Bytes it has.
        found: u64,
    },
    /// A file goes on after the end its header announces.
    #[error("{file} goes on after the {expected} bytes (counted unpacked) that its header announces; fetch it again")]
    TooLong {
        /// The file.
        file: String,
        /// Bytes it should have, header included, uncompressed.
        expected: u64,
    },
    /// A header announces no items, or images without pixels.
    #[error("{file} is empty: its header announces {count} items of {rows}x{columns}; replace it by a file with data")]
    EmptyFile {
        /// The file.
        file: String,
        /// Items announced.
        count: u32,
        /// Rows of an item.
        rows: u32,
        /// Columns of an item.
        columns: u32,
    },
    /// The images are not square.
    #[error("{file} holds images of {rows}x{columns} pixels; only square images can be used, so crop or pad them")]
    NotSquare {
        /// The file.
        file: String,
        /// Rows of an image.
        rows: u32,
        /// Columns of an image.
        columns: u32,
    },
    /// A header announces more than can be held.
    #[error(
        "{file} announces {count} items of {rows}x{columns} bytes, more than the {limit} bytes that can be loaded; \
         split it, or fetch it again if that is not its size"
    )]
    TooLarge {
        /// The file.
        file: String,
        /// Items announced.
        count: u32,
        /// Rows of an item.
        rows: u32,
        /// Columns of an item.
        columns: u32,
        /// The most bytes a file may hold, uncompressed.
        limit: u64,
    },
    /// An image file and its label file differ in number.
    #[error(
        "{images_file} holds {images} images but {labels_file} holds {labels} labels; use two files that belong together"
    )]
    Counts {
        /// The image file.
        images_file: String,
        /// Images in it.
        images: usize,
        /// The label file.
        labels_file: String,
        /// Labels in it.
        labels: usize,
    },
    /// The images to train on and those held out have different sizes.
    #[error(
        "{} mixes sizes: its training images have {train} pixels a side and its test images {test}; \
         use files that belong together",
        directory.display()
    )]
    Sides {
        /// The directory.
        directory: PathBuf,
        /// Side of a training image in pixels.
        train: usize,
        /// Side of a test image in pixels.
        test: usize,
    },
    /// An embedded file is not the one that was published.
    #[error("{file} has SHA-256 {found}, not the published {expected}; restore the file in data/ and build again")]
    Digest {
        /// The file.
        file: String,
        /// The digest as published, in hexadecimal.
        expected: &'static str,
        /// The digest found, in hexadecimal.
        found: String,
    },
    /// A dataset without images was asked for.
    #[error("a dataset needs at least one image and its label; give some")]
    NoImages,
    /// The bytes of the images do not agree with the number of labels.
    #[error(
        "{bytes} bytes of images do not agree with {labels} labels of {channels}x{side}x{side} images; \
         give exactly one image to a label"
    )]
    Shape {
        /// Labels given.
        labels: usize,
        /// Channels of an image.
        channels: usize,
        /// Side of an image in pixels.
        side: usize,
        /// Bytes of images given.
        bytes: usize,
    },
    /// A label is not the number of a class.
    #[error(
        "label {index} is {value}, but with {classes} classes a label is 0 to {last}; \
         correct it or raise the number of classes",
        last = classes.saturating_sub(1)
    )]
    Label {
        /// Which label, counted from 0.
        index: usize,
        /// Its value.
        value: u8,
        /// The number of classes.
        classes: usize,
    },
}
