//! Which files of a folder are images of which class.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::DatasetError;
use crate::error::listed;

/// What the folder of the images to train on is called, where there is one.
const TRAIN: [&str; 2] = ["train", "training"];
/// What the folder of those held out is called: the first that is there.
const TEST: [&str; 5] = ["test", "testing", "val", "valid", "validation"];
/// Files that are read, by the ends of their names.
const READ: [&str; 8] = ["png", "jpg", "jpeg", "jpe", "jfif", "gif", "webp", "bmp"];
/// Images all the same, which are not read and must not be lost in silence.
pub(super) const NOT_READ: [&str; 9] = ["tif", "tiff", "avif", "heic", "heif", "jxl", "jp2", "svg", "tga"];
/// Labels are bytes.
pub(super) const MOST_CLASSES: usize = 256;

/// One image file and its class.
pub(super) struct Item {
    pub path: PathBuf,
    /// Below the folder of the split, with slashes; what images are held out by.
    pub name: String,
    pub label: u8,
}

/// The files of a folder, before any is opened.
pub(super) struct Files {
    pub class_names: Vec<String>,
    pub train: Vec<Item>,
    /// None where the folder has no test split.
    pub test: Option<Vec<Item>>,
    pub notes: Vec<String>,
}

impl Files {
    /// What a folder has of classes and images, by names alone.
    ///
    /// # Errors
    /// A folder that is none of classes, or cannot be read.
    pub fn find(path: &Path) -> Result<Self, DatasetError> {
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
pub(super) fn subfolders(path: &Path) -> Result<BTreeSet<String>, DatasetError> {
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
pub(super) fn below(root: &Path, path: &Path) -> String {
    let parts = path.strip_prefix(root).unwrap_or(path).iter().map(|part| part.to_string_lossy());
    parts.collect::<Vec<_>>().join("/")
}
