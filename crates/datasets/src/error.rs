//! What can be wrong with a dataset.

use std::{io, path::PathBuf};

/// The most bytes that images may come to, and a file may unpack to: a guard against a damaged or hostile header.
pub(crate) const LIMIT: u64 = 1 << 32;

/// Names in a sentence: the first few, and how many more.
pub(crate) fn listed<T: AsRef<str>>(names: &[T]) -> String {
    const SHOWN: usize = 3;
    let shown: Vec<_> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// Refuses images that would not fit into any memory.
pub(crate) fn check_size(source: &str, count: usize, channels: usize, side: usize) -> Result<(), DatasetError> {
    let bytes =
        [count, channels, side, side].iter().try_fold(1_u64, |product, &factor| product.checked_mul(factor as u64));
    match bytes {
        Some(bytes) if bytes <= LIMIT => Ok(()),
        _ => Err(DatasetError::TooMuch { source_name: source.to_owned(), count, channels, side, limit: LIMIT >> 20 }),
    }
}

/// The side to make images of different sides, or of two, of which this is the shortest: one that small patches divide, and
/// no larger than what can be trained on without a large machine.
pub(crate) fn suggested_side(shortest: usize) -> usize {
    (shortest.min(64) / 4 * 4).max(4)
}

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
    /// There is nothing at the path given.
    #[error("there is nothing at {}; give the path of a directory or a .npz file, or `mnist`, which is built in", path.display())]
    NotFound {
        /// The path as given.
        path: PathBuf,
    },
    /// A well-known dataset was named that does not come with the program.
    #[error(
        "{name} is not built in, and there is no directory of that name; \
         fetch its four files from {home} and give the path of the directory you put them into"
    )]
    NotBuiltIn {
        /// The name as given.
        name: &'static str,
        /// Where it is published.
        home: &'static str,
    },
    /// A file of no kind that is read.
    #[error(
        "{} is a file of no kind that is read; give a .npz file, a directory with the four IDX files, \
         or a folder with a subfolder of images for each class", path.display()
    )]
    UnknownFile {
        /// The path as given.
        path: PathBuf,
    },
    /// A directory with nothing that is read, or with images that lie about without a class.
    #[error(
        "{} has neither IDX files nor subfolders; put the images of each class into a subfolder named after the class, \
         or give another directory", path.display()
    )]
    NothingThere {
        /// The directory.
        path: PathBuf,
    },
    /// The folder of a split has no folders of classes.
    #[error("{} has no subfolders; put the images of each class into a subfolder named after the class", path.display())]
    NoClassFolders {
        /// The directory.
        path: PathBuf,
    },
    /// Folders for splits lie beside folders for classes.
    #[error(
        "{} has a folder `{train}` beside others ({others}); put all classes into `{train}`, or rename it", path.display()
    )]
    MixedFolders {
        /// The directory.
        path: PathBuf,
        /// The folder taken for the training split.
        train: &'static str,
        /// The others.
        others: String,
    },
    /// More classes than labels can tell apart.
    #[error("{} has {classes} folders of classes, of which at most {most} can be used; remove or merge some", path.display())]
    TooManyClasses {
        /// The directory.
        path: PathBuf,
        /// Folders in it.
        classes: usize,
        /// The most there may be.
        most: usize,
    },
    /// Test images of classes that nothing is trained on.
    #[error("{} has classes that {} has not: {names}; remove them there, or add them here", path.display(), train.display())]
    UnknownClasses {
        /// The folder of the test split.
        path: PathBuf,
        /// The classes.
        names: String,
        /// The folder of the training split.
        train: PathBuf,
    },
    /// Classes without an image to train on.
    #[error(
        "{} has {} without an image to train on: {names}; put images there or remove the {}",
        path.display(), plural(*count, "class", "classes"), if *count == 1 { "folder" } else { "folders" }
    )]
    EmptyClasses {
        /// The directory.
        path: PathBuf,
        /// Classes without an image.
        count: usize,
        /// Their names, the first few.
        names: String,
    },
    /// Image files that cannot be read.
    #[error(
        "{count} of {all} images in {} cannot be read: {names}; mend or remove them, \
         or leave them out with --skip-unreadable", path.display()
    )]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// How many.
        count: usize,
        /// Of how many.
        all: usize,
        /// The first few, each with the reason.
        names: String,
    },
    /// Image files of several sizes.
    #[error(
        "the images in {} differ in size: {first} pixels, {other}; \
         make them one size with --image-size, such as --image-size {suggestion}", path.display()
    )]
    Sizes {
        /// The directory.
        path: PathBuf,
        /// An image and its size.
        first: String,
        /// Another, and its size.
        other: String,
        /// A size to give.
        suggestion: usize,
    },
    /// Images are not square, and no size was given to make them so.
    #[error(
        "the images of {file} are {width}x{height} pixels, wide by high, and only square ones can be used; \
         make them square with --image-size {suggestion}, cropped or as --image-fit says"
    )]
    Rectangles {
        /// The file or directory.
        file: String,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
        /// A size to give.
        suggestion: usize,
    },
    /// An image could not be resized.
    #[error("an image of {file} cannot be resized: {reason}; choose another --image-size")]
    Resize {
        /// The file or directory.
        file: String,
        /// Why.
        reason: String,
    },
    /// More than can be held.
    #[error(
        "{count} images of {channels}x{side}x{side} from {source_name} are more than the {limit} MiB that can be loaded; \
         choose a smaller --image-size, or fewer images"
    )]
    TooMuch {
        /// The file or directory.
        source_name: String,
        /// Images.
        count: usize,
        /// Channels of each.
        channels: usize,
        /// Side of each in pixels.
        side: usize,
        /// The most that can be loaded, in MiB.
        limit: u64,
    },
    /// A .npz file is no archive, or a damaged one.
    #[error("{file} is no usable .npz file ({reason}); write it again with numpy.savez")]
    Npz {
        /// The file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// A .npz file has no pair of arrays that is known.
    #[error(
        "{file} has {found}; name the arrays x_train and y_train, and x_test and y_test if there are test images, \
         or train_images and train_labels and so on, or images and labels"
    )]
    NoArrays {
        /// The file.
        file: String,
        /// What it has, in words.
        found: String,
    },
    /// An array in a .npz file is not what it must be.
    #[error("the array {array} of {file} {what}")]
    Array {
        /// The file.
        file: String,
        /// The name of the array.
        array: String,
        /// What is wrong and what to do, in words.
        what: String,
    },
    /// A file of class names does not fit the labels.
    #[error("{file} names {names} but the labels go up to {greatest}; write one name a line, from class 0 on")]
    ClassNames {
        /// The file.
        file: String,
        /// Names in it, counted.
        names: String,
        /// The greatest label.
        greatest: u8,
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

/// A number of things: `1 class`, `2 classes`.
pub(crate) fn plural(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::suggested_side;

    #[test]
    fn sides_are_suggested_that_a_patch_of_four_divides() {
        assert_eq!([1, 3, 4, 7, 20, 23, 41, 64, 999].map(suggested_side), [4, 4, 4, 4, 20, 20, 40, 64, 64]);
    }
}
