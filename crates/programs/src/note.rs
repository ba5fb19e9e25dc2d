//! Notes in PNG files: a text that travels with the picture, such as how it was made.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use image::DynamicImage;
use png::{BitDepth, ColorType, Decoder, DecodingError, Encoder, EncodingError};

use crate::{FileError, write_atomically};

/// Why no note could be read. Each displays as one sentence.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// The file could not be read.
    #[error("cannot read {}: {reason}; check the path", path.display())]
    Read {
        /// The path as given.
        path: PathBuf,
        /// What the operating system said.
        reason: io::Error,
    },
    /// No PNG file, or not all of one.
    #[error("{} is no complete PNG file ({reason}); give the picture as it was written", path.display())]
    Format {
        /// The path as given.
        path: PathBuf,
        /// What the decoder said.
        reason: String,
    },
    /// A picture without the note.
    #[error("{} has no note of how it was made; another program wrote it, or took the note out", path.display())]
    Missing {
        /// The path as given.
        path: PathBuf,
    },
}

/// Writes a picture as PNG, atomically, with `text` under `keyword` in it (an iTXt chunk, which image
/// viewers show among a picture's properties). The same picture and text give the same bytes. `keyword` has
/// 1 to 79 Latin-1 letters.
///
/// # Errors
/// As [`write_atomically`].
pub fn save_png_with_note(
    path: impl AsRef<Path>,
    image: &DynamicImage,
    keyword: &str,
    text: &str,
) -> Result<(), FileError> {
    let failed = |error| match error {
        EncodingError::IoError(error) => error,
        other => io::Error::other(other),
    };
    write_atomically(path, |writer| {
        let mut encoder = Encoder::new(writer, image.width(), image.height());
        encoder.set_depth(BitDepth::Eight);
        encoder.add_itxt_chunk(keyword.to_owned(), text.to_owned()).map_err(failed)?;
        let write = |color, bytes: &[u8]| {
            encoder.set_color(color);
            let mut writer = encoder.write_header()?;
            writer.write_image_data(bytes)?;
            writer.finish()
        };
        match image {
            DynamicImage::ImageLuma8(grey) => write(ColorType::Grayscale, grey),
            other => write(ColorType::Rgb, &other.to_rgb8()),
        }
        .map_err(failed)
    })
}

/// The text under `keyword` in a PNG file, which is read to its end: a note of half a picture is none.
///
/// # Errors
/// [`NoteError`], with the path in it.
pub fn read_note(path: impl AsRef<Path>, keyword: &str) -> Result<String, NoteError> {
    let path = path.as_ref().to_owned();
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(reason) => return Err(NoteError::Read { path, reason }),
    };
    match note(file, keyword) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(NoteError::Missing { path }),
        // A directory opens, and fails when it is read; a file that ends too soon is a matter of format.
        Err(DecodingError::IoError(reason)) if reason.kind() != io::ErrorKind::UnexpectedEof => {
            Err(NoteError::Read { path, reason })
        }
        Err(error) => Err(NoteError::Format { path, reason: error.to_string() }),
    }
}

fn note(file: File, keyword: &str) -> Result<Option<String>, DecodingError> {
    let mut reader = Decoder::new(BufReader::new(file)).read_info()?;
    while reader.next_row()?.is_some() {}
    reader.finish()?;
    let chunks = &reader.info().utf8_text;
    chunks.iter().find(|chunk| chunk.keyword == keyword).map(|chunk| chunk.get_text()).transpose()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_note_and_its_picture_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.png");
        let text = "{\"seed\":\"7\",\"weights\":\"Gewichte für Ziffern\"}";
        for image in [DynamicImage::new_luma8(5, 3), DynamicImage::new_rgb8(1, 1)] {
            save_png_with_note(&path, &image, "key", text).unwrap();
            assert_eq!(image::open(&path).unwrap(), image);
            assert_eq!(read_note(&path, "key").unwrap(), text);
            assert!(matches!(read_note(&path, "another"), Err(NoteError::Missing { .. })));
        }
    }

    #[test]
    fn half_a_picture_and_no_picture_are_told_apart_from_one_without_a_note() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.png");
        let failure = || read_note(&path, "key").unwrap_err();
        assert!(matches!(failure(), NoteError::Read { .. }));
        crate::save_png(&path, &DynamicImage::new_luma8(4, 4)).unwrap();
        assert!(matches!(failure(), NoteError::Missing { .. }));

        let noise = image::GrayImage::from_fn(90, 90, |x, y| image::Luma([(x * x * 31 + y * y * y * 17) as u8]));
        save_png_with_note(&path, &DynamicImage::ImageLuma8(noise), "key", "text").unwrap();
        let whole = fs::read(&path).unwrap();
        for end in [0, 7, 20, 60, whole.len() / 2, whole.len() - 20] {
            fs::write(&path, &whole[..end]).unwrap();
            let error = failure();
            assert!(matches!(error, NoteError::Format { .. }), "{end} of {}: {error}", whole.len());
        }
        fs::write(&path, "no picture").unwrap();
        assert!(matches!(failure(), NoteError::Format { .. }));
        assert!(matches!(read_note(directory.path(), "key"), Err(NoteError::Read { .. })));
    }
}
