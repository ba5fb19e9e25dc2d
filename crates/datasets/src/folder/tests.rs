#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::fs;

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
        splits.test.images().iter().zip(splits.test.labels()).all(|(value, label)| (*value >= 100) == (*label == 1))
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
