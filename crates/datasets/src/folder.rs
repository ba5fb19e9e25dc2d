//! Image files in a folder for each class.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::{DirEntry, WalkDir};

use crate::arrays::{Planes, held_out_note, settle};
use crate::error::{check_size, listed, suggested_side};
use crate::picture::{self, Picture};
use crate::{Dataset, DatasetError, ReadOptions, Splits, directory::name_of, held_out};

/// What the folder of the images to train on is called, where there is one.
const TRAIN: [&str; 2] = ["train", "training"];
/// What the folder of those held out is called: the first that is there.
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];
/// Files that are read, by the ends of their names.
const READ: [&str; 8] = ["png", "jpg", "jpeg", "jpe", "jfif", "gif", "webp", "bmp"];
/// Images all the same, which are not read and must not be lost in silence.
const NOT_READ: [&str; 9] = ["tif", "tiff", "avif", "heic", "heif", "jxl", "jp2", "svg", "tga"];
/// Labels are bytes.
const MOST_CLASSES: usize = 256;

/// One image file and its class.
struct Item {
    path: PathBuf,
    /// Below the folder of the split, with slashes; what images are held out by.
    name: String,
    label: u8,
}

/// The files of a folder, before any is opened.
struct Files {
    class_names: Vec<String>,
    train: Vec<Item>,
    /// None where the folder has no test split.
    test: Option<Vec<Item>>,
    notes: Vec<String>,
}

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

impl Files {
    fn find(path: &Path) -> Result<Self, DatasetError> {
        let folders = subfolders(path)?;
        let first_of = |names: &[&'static str]| names.iter().copied().find(|name| folders.contains(*name));
        let mut notes = Vec::new();
        let (train_path, test_path) = match (first_of(&TRAIN), first_of(&TEST)) {
            // A class may be called `test`.
            (None, _) => (path.to_owned(), None),
            (Some(train), test) => {
                let rest: Vec<_> =
                    folders.iter().filter(|name| **name != train && Some(name.as_str()) != test).collect();
                let (unused, classes): (Vec<_>, Vec<_>) =
                    rest.into_iter().partition(|name| TEST.contains(&name.as_str()));
                if !classes.is_empty() {
                    let others = listed(&classes);
                    return Err(DatasetError::MixedFolders { path: path.to_owned(), train, others });
                }
                if !unused.is_empty() {
                    notes.push(format!("the images in {} are not used", listed(&unused)));
                }
                (path.join(train), test.map(|test| path.join(test)))
            }
        };
        let mut class_names: Vec<_> = subfolders(&train_path)?.into_iter().collect();
        if class_names.is_empty() {
            return Err(DatasetError::NoClassFolders { path: train_path });
        }
        // 10 comes after 9 where all are numbers.
        if class_names.iter().all(|name| name.parse::<u64>().is_ok()) {
            class_names.sort_by_key(|name| name.parse::<u64>().unwrap_or_default());
        }
        if class_names.len() > MOST_CLASSES {
            let classes = class_names.len();
            return Err(DatasetError::TooManyClasses { path: train_path, classes, most: MOST_CLASSES });
        }
        let mut strangers = Vec::new();
        let train = items(&train_path, &class_names, &mut strangers)?;
        let test = match &test_path {
            Some(path) => {
                let unknown: Vec<_> =
                    subfolders(path)?.into_iter().filter(|name| !class_names.contains(name)).collect();
                if !unknown.is_empty() {
                    return Err(DatasetError::UnknownClasses {
                        path: path.clone(),
                        names: listed(&unknown),
                        train: train_path,
                    });
                }
                Some(items(path, &class_names, &mut strangers)?)
            }
            None => None,
        };
        if !strangers.is_empty() {
            let names: Vec<_> = strangers.iter().map(|stranger| below(path, stranger)).collect();
            let files = if names.len() == 1 {
                "1 file is no image and was".into()
            } else {
                format!("{} files are no images and were", names.len())
            };
            notes.push(format!("{files} left out: {}", listed(&names)));
        }
        Ok(Self { class_names, train, test, notes })
    }
}

/// Hidden files, and what operating systems leave behind.
fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || ["__MACOSX", "Thumbs.db", "desktop.ini"].contains(&name)
}

/// The names of the folders in a folder, in order.
fn subfolders(path: &Path) -> Result<BTreeSet<String>, DatasetError> {
    let cannot = |reason| DatasetError::Read { file: path.display().to_string(), reason };
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(path).map_err(cannot)? {
        let entry = entry.map_err(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path().is_dir() && !is_hidden(&name) {
            names.insert(name);
        }
    }
    Ok(names)
}

/// The image files of each class, those of folders within its folder too, in order. What is no image is added
/// to `strangers`.
fn items(split: &Path, class_names: &[String], strangers: &mut Vec<PathBuf>) -> Result<Vec<Item>, DatasetError> {
    let mut items = Vec::new();
    for (label, class) in class_names.iter().enumerate() {
        let folder = split.join(class);
        if !folder.is_dir() {
            continue;
        }
        let visible = |entry: &DirEntry| entry.depth() == 0 || !is_hidden(&entry.file_name().to_string_lossy());
        for entry in WalkDir::new(&folder).follow_links(true).sort_by_file_name().into_iter().filter_entry(visible) {
            let entry = entry.map_err(|error| DatasetError::Read {
                file: error.path().unwrap_or(&folder).display().to_string(),
                reason: error
                    .into_io_error()
                    .unwrap_or_else(|| std::io::Error::other("its links go round in a circle")),
            })?;
            if entry.file_type().is_dir() {
                continue;
            }
            let path = entry.into_path();
            let extension = path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase());
            let is_one_of = |list: &[&str]| extension.as_deref().is_some_and(|extension| list.contains(&extension));
            if is_one_of(&READ) || is_one_of(&NOT_READ) {
                // No more labels than MOST_CLASSES, which a byte tells apart.
                items.push(Item { name: below(split, &path), label: label as u8, path });
            } else {
                strangers.push(path);
            }
        }
    }
    Ok(items)
}

/// A path below another, with slashes on every system.
fn below(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).iter().map(|part| part.to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use image::{GrayImage, Luma, Rgb, RgbImage};

    use super::*;
    use crate::{Channels, Fit};

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self, name: &str) -> PathBuf {
            let path = self.0.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        }

        /// A grey image of one brightness.
        fn grey(&self, name: &str, width: u32, height: u32, value: u8) {
            GrayImage::from_pixel(width, height, Luma([value])).save(self.path(name)).unwrap();
        }

        fn colour(&self, name: &str, side: u32, value: [u8; 3]) {
            RgbImage::from_pixel(side, side, Rgb(value)).save(self.path(name)).unwrap();
        }

        fn text(&self, name: &str) {
            fs::write(self.path(name), "no image").unwrap();
        }

        fn read(&self, options: &ReadOptions) -> Result<Splits, DatasetError> {
            read(self.0.path(), options)
        }

        /// Everything to train on, as it is.
        fn all(&self) -> Result<Splits, DatasetError> {
            self.read(&ReadOptions { held_out: 0.0, ..ReadOptions::default() })
        }

        fn error(&self) -> String {
            let error = self.all().unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
            error
        }
    }

    #[test]
    fn classes_are_folders_in_the_order_of_their_names() {
        let folder = Folder::new();
        folder.grey("dog/b.png", 3, 3, 2);
        folder.grey("dog/a.png", 3, 3, 1);
        folder.grey("cat/deep/er/c.PNG", 3, 3, 3);
        folder.grey("Über/d.bmp", 3, 3, 4);
        let splits = folder.all().unwrap();
        assert_eq!(splits.class_names, ["cat", "dog", "Über"]);
        assert_eq!(splits.train.labels(), [0, 1, 1, 2]);
        let firsts: Vec<u8> = splits.train.images().chunks(9).map(|image| image[0]).collect();
        assert_eq!(firsts, [3, 1, 2, 4]);
        assert_eq!((splits.train.channels(), splits.train.side(), splits.test.count()), (1, 3, 0));
    }

    #[test]
    fn numbers_are_in_the_order_of_numbers() {
        let folder = Folder::new();
        for class in ["10", "9", "0", "2"] {
            folder.grey(&format!("{class}/a.png"), 1, 1, 0);
        }
        assert_eq!(folder.all().unwrap().class_names, ["0", "2", "9", "10"]);
    }

    #[test]
    fn one_image_a_class_is_enough_and_is_kept() {
        let folder = Folder::new();
        folder.colour("a/1.png", 5, [1, 2, 3]);
        folder.colour("b/1.png", 5, [4, 5, 6]);
        let splits = folder.read(&ReadOptions::default()).unwrap();
        assert_eq!((splits.train.count(), splits.test.count(), splits.train.channels()), (2, 0, 3));
        assert!(splits.notes[0].contains("none was held out"), "{:?}", splits.notes);
    }

    #[test]
    fn splits_are_recognised_by_their_usual_names() {
        for (train, test) in [("train", "test"), ("training", "testing"), ("train", "val")] {
            let folder = Folder::new();
            folder.grey(&format!("{train}/a/1.png"), 2, 2, 1);
            folder.grey(&format!("{train}/b/1.png"), 2, 2, 2);
            folder.grey(&format!("{test}/b/2.png"), 2, 2, 3);
            let splits = folder.all().unwrap();
            assert_eq!((splits.train.labels(), splits.test.labels()), ([0, 1].as_slice(), [1].as_slice()));
            assert!(splits.notes.is_empty(), "{:?}", splits.notes);
        }
        let folder = Folder::new();
        for name in ["train/a/1.png", "test/a/1.png", "val/a/1.png"] {
            folder.grey(name, 2, 2, 1);
        }
        assert_eq!(folder.all().unwrap().notes, ["the images in val are not used"]);
        folder.grey("cats/1.png", 2, 2, 1);
        assert!(folder.error().contains("has a folder `train` beside others (cats)"));
    }

    #[test]
    fn a_class_of_the_test_split_alone_is_refused() {
        let folder = Folder::new();
        folder.grey("train/a/1.png", 2, 2, 1);
        folder.grey("test/b/1.png", 2, 2, 1);
        assert!(folder.error().contains("has classes that") && folder.error().contains(": b; remove them"));
    }

    #[test]
    fn a_part_of_each_class_is_held_out_by_name() {
        let folder = Folder::new();
        for index in 0..12 {
            folder.grey(&format!("a/{index}.png"), 1, 1, index);
            folder.grey(&format!("b/{index}.png"), 1, 1, 100 + index);
        }
        let splits = folder.read(&ReadOptions { held_out: 0.25, ..ReadOptions::default() }).unwrap();
        assert_eq!((splits.train.class_counts(), splits.test.class_counts()), (vec![9, 9], vec![3, 3]));
        assert_eq!(splits.notes, ["there is no test split, so 6 of 24 images are held out"]);
        assert!(
            splits
                .test
                .images()
                .iter()
                .zip(splits.test.labels())
                .all(|(value, label)| (*value >= 100) == (*label == 1))
        );
        let mut all = [splits.train.images(), splits.test.images()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..12).chain(100..112).collect::<Vec<u8>>());
    }

    #[test]
    fn colour_is_kept_where_there_is_any() {
        let folder = Folder::new();
        folder.grey("a/1.png", 2, 2, 7);
        folder.colour("b/1.png", 2, [9, 9, 9]);
        assert_eq!(folder.all().unwrap().train.images(), [7, 7, 7, 7, 9, 9, 9, 9]);
        folder.colour("b/1.png", 2, [9, 9, 10]);
        let splits = folder.all().unwrap();
        assert_eq!(splits.train.channels(), 3);
        assert_eq!(splits.train.images()[12..], [9, 9, 9, 9, 9, 9, 9, 9, 10, 10, 10, 10]);
        let grey = folder.read(&ReadOptions { channels: Channels::Grey, held_out: 0.0, ..ReadOptions::default() });
        assert_eq!(grey.unwrap().train.channels(), 1);
    }

    #[test]
    fn sizes_that_differ_are_named_and_can_be_made_one() {
        let folder = Folder::new();
        folder.grey("a/1.png", 30, 20, 7);
        folder.grey("a/2.png", 30, 31, 7);
        let error = folder.error();
        let expected = "differ in size: a/1.png has 30x20 pixels, a/2.png 30x31; \
                        make them one size with --image-size, such as --image-size 20";
        assert!(error.ends_with(expected), "{error}");
        for fit in [Fit::Crop, Fit::Pad, Fit::Stretch] {
            let options = ReadOptions { size: Some(9), fit, held_out: 0.0, ..ReadOptions::default() };
            let splits = folder.read(&options).unwrap();
            assert_eq!((splits.train.side(), splits.train.count()), (9, 2));
            // Bars of 30x20 in 9x9: 9x6 are the image.
            let bars = splits.train.images()[..81].iter().filter(|&&value| value == 0).count();
            assert_eq!(bars, if fit == Fit::Pad { 27 } else { 0 });
        }
        fs::remove_file(folder.path("a/2.png")).unwrap();
        assert!(folder.error().contains("are 30x20 pixels, wide by high"), "{}", folder.error());
    }

    #[test]
    fn unreadable_images_are_named_and_counted_and_left_out_only_when_asked() {
        let folder = Folder::new();
        for index in 0..4 {
            folder.grey(&format!("a/{index}.png"), 2, 2, index);
            folder.text(&format!("a/bad{index}.jpg"));
        }
        folder.text("a/scan.TIFF");
        // A file cut short is noticed only when its pixels are read.
        let noisy = GrayImage::from_fn(2, 2, |x, y| Luma([(x * 91 + y * 37) as u8]));
        noisy.save(folder.path("a/whole.png")).unwrap();
        let whole = fs::read(folder.path("a/whole.png")).unwrap();
        fs::write(folder.path("a/cut.png"), &whole[..whole.len() - 20]).unwrap();
        for size in [None, Some(2)] {
            let options = ReadOptions { size, held_out: 0.0, ..ReadOptions::default() };
            let error = folder.read(&options).unwrap_err().to_string();
            let count = if size.is_some() { 6 } else { 5 };
            assert!(error.starts_with(&format!("{count} of 11 images in ")), "{error}");
            assert!(error.contains("a/bad0.jpg (it does not begin as PNG"), "{error}");
            assert!(error.contains("more; mend or remove them, or leave them out with --skip-unreadable"), "{error}");
            let splits = folder.read(&ReadOptions { skip_unreadable: true, ..options }).unwrap();
            assert_eq!(splits.train.count(), 5);
            let left_out: Vec<_> = splits.notes.iter().filter(|note| note.contains("were left out")).collect();
            assert!(left_out[0].starts_with(&format!("{count} of 11 images cannot be read")), "{left_out:?}");
        }
        for index in 0..4 {
            fs::remove_file(folder.path(&format!("a/bad{index}.jpg"))).unwrap();
        }
        fs::remove_file(folder.path("a/cut.png")).unwrap();
        assert!(folder.error().contains("a/scan.TIFF (TIFF is not read)"), "{}", folder.error());
    }

    #[test]
    fn a_class_without_image_is_refused_by_name_also_where_all_of_it_was_left_out() {
        let folder = Folder::new();
        folder.grey("a/1.png", 2, 2, 0);
        fs::create_dir(folder.0.path().join("b")).unwrap();
        assert!(
            folder.error().contains("has 1 class without an image to train on: b; put images there"),
            "{}",
            folder.error()
        );
        folder.text("b/1.png");
        assert!(folder.error().contains("b/1.png"), "{}", folder.error());
        let skip = ReadOptions { skip_unreadable: true, ..ReadOptions::default() };
        let error = folder.read(&skip).unwrap_err().to_string();
        assert!(error.contains("1 class without an image to train on: b"), "{error}");
    }

    #[test]
    fn what_is_hidden_is_ignored_and_what_is_no_image_is_named() {
        let folder = Folder::new();
        folder.grey("a/1.png", 2, 2, 0);
        folder.text("a/.DS_Store");
        folder.text("a/Thumbs.db");
        folder.text("a/__MACOSX/1.png");
        folder.text(".git/config");
        folder.text("readme.txt");
        let splits = folder.all().unwrap();
        assert_eq!((splits.class_names.len(), splits.train.count()), (1, 1));
        folder.text("a/notes.txt");
        let notes = folder.all().unwrap().notes;
        assert!(notes.contains(&"1 file is no image and was left out: a/notes.txt".to_owned()), "{notes:?}");
    }

    #[test]
    fn folders_that_are_no_classes_are_refused() {
        let folder = Folder::new();
        folder.grey("train/1.png", 2, 2, 0);
        assert!(folder.error().contains("train has no subfolders"), "{}", folder.error());
        let folder = Folder::new();
        for class in 0..=MOST_CLASSES {
            fs::create_dir(folder.0.path().join(class.to_string())).unwrap();
        }
        assert!(folder.error().contains("has 257 folders of classes, of which at most 256"), "{}", folder.error());
    }
}
