//! Files that are replaced whole or not at all.

use std::{
    fs::{self, File},
    io::{self, BufWriter, ErrorKind, Write},
    path::{Path, PathBuf},
};

use tempfile::{NamedTempFile, TempDir};

/// Why a file could not be written. Each displays as one sentence that names the file and says what to do.
///
/// The sentence includes what the operating system said, so there is no chain of sources to print.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The path is a directory, a device, or no name at all.
    #[error("cannot write '{}': it {what}; choose the path of a file", path.display())]
    NotAFile {
        /// The path as given.
        path: PathBuf,
        /// What it is, in words.
        what: &'static str,
    },
    /// There is something already where a new folder is to go.
    #[error("cannot make the folder {}: there is something already; empty it or choose another path", path.display())]
    Occupied {
        /// The path as given.
        path: PathBuf,
    },
    /// The directory of the path does not exist.
    #[error("cannot write {}: the directory {} does not exist; create it or choose another path", path.display(), directory.display())]
    NoDirectory {
        /// The path as given.
        path: PathBuf,
        /// The directory that is missing.
        directory: PathBuf,
    },
    /// No file can be made in the directory of the path.
    #[error("cannot write {}: no file can be made in {} ({reason}); allow writing there or choose another path", path.display(), directory.display())]
    Directory {
        /// The path as given.
        path: PathBuf,
        /// Its directory.
        directory: PathBuf,
        /// What the operating system said.
        reason: io::Error,
    },
    /// The disk, or the share of it that the user may fill, is full.
    #[error("cannot write {}: {reason}; free some space or choose another path (what was there before is untouched)", path.display())]
    Full {
        /// The path as given.
        path: PathBuf,
        /// What the operating system said.
        reason: io::Error,
    },
    /// Writing failed for another reason.
    #[error("cannot write {}: {reason}; mend that or choose another path (what was there before is untouched)", path.display())]
    Write {
        /// The path as given.
        path: PathBuf,
        /// What the operating system, or whatever produced the contents, said.
        reason: io::Error,
    },
}

/// Writes a file through `write`, then puts it in the place of `path` in one step.
///
/// The contents go to a temporary file in the same directory, reach the disk, and are renamed to `path`; so
/// a reader, or a run that is interrupted, finds the old file or the new one and never a part. A symbolic
/// link is followed. A file that is replaced keeps its permissions; a new one has those of any new file.
///
/// # Errors
/// When the path cannot be a file, its directory is missing or refuses, the disk is full, or `write` fails:
/// then what was at `path` is untouched and no temporary file is left.
pub fn write_atomically(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), FileError> {
    let path = path.as_ref();
    let place = Place::of(path)?;
    let file = place.temporary()?;
    let filled = |file: NamedTempFile| {
        let mut writer = BufWriter::new(file.as_file());
        write(&mut writer)?;
        writer.flush()?;
        drop(writer);
        if let Ok(replaced) = fs::metadata(&place.target) {
            file.as_file().set_permissions(replaced.permissions())?;
        }
        file.as_file().sync_all()?;
        file.persist(&place.target)?;
        Ok(())
    };
    filled(file).map_err(|reason| place.failure(reason))?;
    place.sync_directory();
    Ok(())
}

/// Tells before long work whether [`write_atomically`] could write to `path`, by making and removing a
/// temporary file beside it. Nothing else changes.
///
/// # Errors
/// When the path cannot be a file, or its directory is missing or refuses.
pub fn check_writable(path: impl AsRef<Path>) -> Result<(), FileError> {
    Place::of(path.as_ref())?.temporary().map(drop)
}

/// Makes a folder whose files `fill` writes, then puts it at `path` in one step, so that a reader finds all
/// of the files or none. An empty folder there is replaced; one with something in it never is.
///
/// # Errors
/// As [`check_new_folder`]; and when the disk is full, or `fill` fails: then nothing is left.
pub fn write_folder_atomically(
    path: impl AsRef<Path>,
    fill: impl FnOnce(&Path) -> io::Result<()>,
) -> Result<(), FileError> {
    let path = path.as_ref();
    let place = Place::of_folder(path)?;
    let folder = place.temporary_folder()?;
    let filled = || {
        fill(folder.path())?;
        if place.target.is_dir() {
            fs::remove_dir(&place.target)?;
        }
        fs::rename(folder.path(), &place.target)
    };
    filled().map_err(|reason| place.failure(reason))?;
    // It is no longer where it would be removed.
    let _ = folder.keep();
    place.sync_directory();
    Ok(())
}

/// Tells before long work whether [`write_folder_atomically`] could make a folder at `path`.
///
/// # Errors
/// When something is there already that is no empty folder, or the directory of the path is missing or refuses.
pub fn check_new_folder(path: impl AsRef<Path>) -> Result<(), FileError> {
    Place::of_folder(path.as_ref())?.temporary_folder().map(drop)
}

/// Where a file or a folder is to go.
struct Place<'a> {
    /// The path as given, for messages.
    path: &'a Path,
    /// The path with links followed.
    target: PathBuf,
    /// The directory of `target`.
    directory: PathBuf,
}

impl<'a> Place<'a> {
    /// Refuses what must not be renamed over: a rename onto /dev/null would replace the device.
    fn of(path: &'a Path) -> Result<Self, FileError> {
        let not_a_file = |what| FileError::NotAFile { path: path.to_owned(), what };
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => return Err(not_a_file("is a directory")),
            Ok(found) if !found.is_file() => return Err(not_a_file("is a device or a pipe")),
            _ => {}
        }
        Self::beside(path)
    }

    /// Refuses what is there already, unless it is an empty folder.
    fn of_folder(path: &'a Path) -> Result<Self, FileError> {
        let empty = || fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if path.symlink_metadata().is_ok() && !empty() {
            return Err(FileError::Occupied { path: path.to_owned() });
        }
        Self::beside(path)
    }

    /// The place at a path, in a directory that exists.
    fn beside(path: &'a Path) -> Result<Self, FileError> {
        if path.file_name().is_none() {
            return Err(FileError::NotAFile { path: path.to_owned(), what: "has no file name" });
        }
        let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let directory = match target.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        if !directory.is_dir() {
            return Err(FileError::NoDirectory { path: path.to_owned(), directory });
        }
        Ok(Self { path, target, directory })
    }

    /// An empty file in the same directory, removed again unless it is persisted.
    fn temporary(&self) -> Result<NamedTempFile, FileError> {
        tempfile::Builder::new()
            .prefix(".unfinished-")
            // Not tempfile's own way of making it, which gives the permissions of a secret.
            .make_in(&self.directory, |path| File::create_new(path))
            .map_err(|reason| self.refusal(reason))
    }

    /// An empty folder in the same directory, removed again unless it is kept.
    fn temporary_folder(&self) -> Result<TempDir, FileError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix(".unfinished-");
        // As any new folder, less what the user's mask takes away; tempfile's own are a secret.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        builder.tempdir_in(&self.directory).map_err(|reason| self.refusal(reason))
    }

    /// Why nothing can be made in the directory.
    fn refusal(&self, reason: io::Error) -> FileError {
        match reason.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => self.failure(reason),
            _ => FileError::Directory { path: self.path.to_owned(), directory: self.directory.clone(), reason },
        }
    }

    fn failure(&self, reason: io::Error) -> FileError {
        let path = self.path.to_owned();
        match reason.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => FileError::Full { path, reason },
            _ => FileError::Write { path, reason },
        }
    }

    /// Makes the rename last through a power failure, where the file system can: the new file is already
    /// in place, so a refusal is no failure to write it.
    fn sync_directory(&self) {
        if cfg!(unix) {
            let _ = File::open(&self.directory).and_then(|directory| directory.sync_all());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn writes_and_replaces() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.txt");
        for text in ["first, and longer", "second"] {
            write_atomically(&path, |writer| writer.write_all(text.as_bytes())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(names(directory.path()), ["a.txt"]);
    }

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.txt");
        fs::write(&path, "old").unwrap();
        let error = write_atomically(&path, |writer| {
            writer.write_all(&[b'x'; 1 << 20])?;
            Err(io::Error::other("the picture is too odd"))
        })
        .unwrap_err();
        assert!(error.to_string().contains("a.txt: the picture is too odd;"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(directory.path()), ["a.txt"]);
    }

    #[test]
    fn a_panic_leaves_the_old_file_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.txt");
        fs::write(&path, "old").unwrap();
        let outcome = std::panic::catch_unwind(|| write_atomically(&path, |_| unreachable!()));
        assert!(outcome.is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(names(directory.path()), ["a.txt"]);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_is_said_to_be_full() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.txt");
        let error =
            write_atomically(&path, |_| File::options().write(true).open("/dev/full")?.write_all(b"more")).unwrap_err();
        assert!(matches!(error, FileError::Full { .. }), "{error:?}");
        assert!(error.to_string().contains("free some space"), "{error}");
        assert!(names(directory.path()).is_empty());
    }

    #[test]
    fn a_missing_directory_is_named_by_both() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("none/a.txt");
        let expected = format!(
            "cannot write {}: the directory {} does not exist; create it or choose another path",
            path.display(),
            directory.path().join("none").display()
        );
        assert_eq!(check_writable(&path).unwrap_err().to_string(), expected);
        assert_eq!(write_atomically(&path, |_| Ok(())).unwrap_err().to_string(), expected);
    }

    #[test]
    fn a_directory_is_not_a_file() {
        let directory = tempfile::tempdir().unwrap();
        for path in [directory.path(), Path::new(".."), Path::new("")] {
            let error = check_writable(path).unwrap_err();
            assert!(matches!(error, FileError::NotAFile { .. }), "{error}");
        }
    }

    #[test]
    fn a_file_as_directory_is_refused() {
        let file = NamedTempFile::new().unwrap();
        let error = check_writable(file.path().join("a.txt")).unwrap_err();
        assert!(matches!(error, FileError::NoDirectory { .. }), "{error}");
    }

    #[test]
    fn checking_changes_nothing() {
        let directory = tempfile::tempdir().unwrap();
        check_writable(directory.path().join("a.txt")).unwrap();
        assert!(names(directory.path()).is_empty());
        fs::write(directory.path().join("a.txt"), "old").unwrap();
        check_writable(directory.path().join("a.txt")).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("a.txt")).unwrap(), "old");
    }

    #[test]
    fn a_bare_name_is_in_the_current_directory() {
        assert!(check_writable("no-such-file-yet.txt").is_ok());
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_directory_that_refuses_is_named() {
        let error = check_writable("/proc/a.txt").unwrap_err();
        assert!(matches!(error, FileError::Directory { .. }), "{error:?}");
        assert!(error.to_string().starts_with("cannot write /proc/a.txt: no file can be made in /proc ("));
        assert!(!error.to_string().contains("unfinished"), "{error}");
    }

    #[test]
    fn a_folder_is_made_whole_or_not_at_all() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("folder");
        let fill = |folder: &Path| fs::write(folder.join("a.txt"), "text");
        let error = write_folder_atomically(&path, |folder| {
            fill(folder)?;
            Err(io::Error::other("the picture is too odd"))
        });
        assert!(error.unwrap_err().to_string().contains("too odd"));
        assert!(names(directory.path()).is_empty());

        fs::create_dir(&path).unwrap();
        check_new_folder(&path).unwrap();
        write_folder_atomically(&path, fill).unwrap();
        assert_eq!(names(directory.path()), ["folder"]);
        assert_eq!(fs::read_to_string(path.join("a.txt")).unwrap(), "text");

        for occupied in [&path, &path.join("a.txt")] {
            let error = check_new_folder(occupied).unwrap_err();
            assert!(matches!(error, FileError::Occupied { .. }), "{error}");
        }
        let error = check_new_folder(directory.path().join("none/folder")).unwrap_err();
        assert!(matches!(error, FileError::NoDirectory { .. }), "{error}");
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{PermissionsExt, symlink};

        use super::*;

        fn mode(path: &Path) -> u32 {
            fs::metadata(path).unwrap().permissions().mode() & 0o777
        }

        #[test]
        fn a_device_is_refused() {
            let error = write_atomically("/dev/null", |_| Ok(())).unwrap_err();
            assert!(matches!(error, FileError::NotAFile { .. }), "{error}");
        }

        #[test]
        fn a_new_file_has_the_usual_permissions() {
            let directory = tempfile::tempdir().unwrap();
            let (usual, new) = (directory.path().join("usual"), directory.path().join("new"));
            fs::write(&usual, "").unwrap();
            write_atomically(&new, |_| Ok(())).unwrap();
            assert_eq!(mode(&new), mode(&usual));
        }

        #[test]
        fn a_new_folder_has_the_usual_permissions() {
            let directory = tempfile::tempdir().unwrap();
            let (usual, new) = (directory.path().join("usual"), directory.path().join("new"));
            fs::create_dir(&usual).unwrap();
            write_folder_atomically(&new, |_| Ok(())).unwrap();
            assert_eq!(mode(&new), mode(&usual));
        }

        #[test]
        fn a_replaced_file_keeps_its_permissions() {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("a");
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            write_atomically(&path, |_| Ok(())).unwrap();
            assert_eq!(mode(&path), 0o640);
        }

        #[test]
        fn a_link_is_followed() {
            let directory = tempfile::tempdir().unwrap();
            let (file, link) = (directory.path().join("file"), directory.path().join("link"));
            fs::write(&file, "old").unwrap();
            symlink("file", &link).unwrap();
            write_atomically(&link, |writer| writer.write_all(b"new")).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), "new");
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        }
    }
}
