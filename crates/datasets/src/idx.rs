//! The IDX format: a magic number, big-endian dimensions, then unsigned bytes; often gzipped.
//!
//! A header is believed only as far as the bytes bear it out: memory grows with what is read, and what
//! is read is at most one byte more than the header announces.

use std::io::{BufRead, Read};

use flate2::bufread::MultiGzDecoder;

use crate::DatasetError;
use crate::error::LIMIT;

/// What an IDX file of unsigned bytes can hold here; the value is its magic number.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    /// One dimension.
    Labels = 0x0000_0801,
    /// Three dimensions: count, rows, columns.
    Images = 0x0000_0803,
}

impl Kind {
    fn magic(self) -> u32 {
        self as u32
    }

    fn name(self) -> &'static str {
        match self {
            Self::Labels => "labels",
            Self::Images => "images",
        }
    }

    /// Bytes before the data: the magic number, and four for each dimension.
    fn header_length(self) -> u64 {
        match self {
            Self::Labels => 8,
            Self::Images => 16,
        }
    }

    fn check(self, file: &str, found_magic: u32) -> Result<(), DatasetError> {
        let (file, expected, expected_magic) = (file.to_owned(), self.name(), self.magic());
        let other = match self {
            Self::Labels => Self::Images,
            Self::Images => Self::Labels,
        };
        if found_magic == expected_magic {
            Ok(())
        } else if found_magic == other.magic() {
            Err(DatasetError::Swapped { file, expected, expected_magic, found: other.name(), found_magic })
        } else {
            Err(DatasetError::Magic { file, expected, expected_magic, found_magic })
        }
    }
}

/// Square grey images.
#[derive(Debug)]
pub(crate) struct Images {
    /// At least 1.
    pub count: usize,
    /// Pixels a side; at least 1.
    pub side: usize,
    /// count·side·side bytes, row-major.
    pub bytes: Vec<u8>,
}

/// Reads a file of images, gzipped or not; `file` names it in errors.
pub(crate) fn images(file: &str, reader: impl BufRead) -> Result<Images, DatasetError> {
    let (dimensions, bytes) = parse(file, reader, Kind::Images)?;
    let [count, rows, columns] = dimensions;
    if rows != columns {
        return Err(DatasetError::NotSquare { file: file.to_owned(), rows, columns });
    }
    Ok(Images { count: count as usize, side: rows as usize, bytes })
}

/// Reads a file of labels, gzipped or not; `file` names it in errors.
pub(crate) fn labels(file: &str, reader: impl BufRead) -> Result<Vec<u8>, DatasetError> {
    let (_, bytes) = parse(file, reader, Kind::Labels)?;
    Ok(bytes)
}

/// Gives the dimensions (count, rows, columns; a label is 1x1) and exactly the bytes they announce.
fn parse(file: &str, reader: impl BufRead, kind: Kind) -> Result<([u32; 3], Vec<u8>), DatasetError> {
    let mut contents = Contents::open(file, reader)?;
    let header_length = kind.header_length();
    let header = contents.read_at_most(header_length)?;
    let mut words = header.chunks_exact(4).map(|word| word.iter().fold(0, |value, &byte| value << 8 | u32::from(byte)));
    let too_short = |expected, found| DatasetError::TooShort { file: file.to_owned(), expected, found };

    let magic = words.next().ok_or_else(|| too_short(header_length, header.len() as u64))?;
    kind.check(file, magic)?;
    if (header.len() as u64) < header_length {
        return Err(too_short(header_length, header.len() as u64));
    }
    let [count, rows, columns] = [(); 3].map(|()| words.next().unwrap_or(1));
    if count == 0 || rows == 0 || columns == 0 {
        return Err(DatasetError::EmptyFile { file: file.to_owned(), count, rows, columns });
    }
    let length = u64::from(count)
        .checked_mul(u64::from(rows))
        .and_then(|length| length.checked_mul(u64::from(columns)))
        .filter(|&length| length <= LIMIT && usize::try_from(length).is_ok())
        .ok_or_else(|| DatasetError::TooLarge { file: file.to_owned(), count, rows, columns, limit: LIMIT })?;

    let bytes = contents.read_at_most(length + 1)?;
    let found = bytes.len() as u64;
    if found < length {
        return Err(too_short(header_length + length, header_length + found));
    }
    if found > length {
        return Err(DatasetError::TooLong { file: file.to_owned(), expected: header_length + length });
    }
    Ok(([count, rows, columns], bytes))
}

/// A file's bytes, unpacked as they are read.
struct Contents<'a> {
    file: &'a str,
    gzipped: bool,
    reader: Box<dyn Read + 'a>,
}

impl<'a> Contents<'a> {
    /// Tells gzip by its first bytes rather than by the file's name: browsers unpack and keep the name.
    fn open(file: &'a str, mut reader: impl BufRead + 'a) -> Result<Self, DatasetError> {
        let start = reader.fill_buf().map_err(|reason| DatasetError::Read { file: file.to_owned(), reason })?;
        let gzipped = start.starts_with(&[0x1f, 0x8b]);
        let reader: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(reader)) } else { Box::new(reader) };
        Ok(Self { file, gzipped, reader })
    }

    /// The next `limit` bytes, or fewer where the file ends.
    fn read_at_most(&mut self, limit: u64) -> Result<Vec<u8>, DatasetError> {
        let mut bytes = Vec::new();
        match self.reader.by_ref().take(limit).read_to_end(&mut bytes) {
            Ok(_) => Ok(bytes),
            Err(reason) if self.gzipped => Err(DatasetError::Gzip { file: self.file.to_owned(), reason }),
            Err(reason) => Err(DatasetError::Read { file: self.file.to_owned(), reason }),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    /// An IDX file: the magic number, the dimensions, the data.
    pub(crate) fn idx(magic: u32, dimensions: &[u32], data: &[u8]) -> Vec<u8> {
        let mut bytes = magic.to_be_bytes().to_vec();
        dimensions.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
        bytes.extend(data);
        bytes
    }

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    /// The error for a file of images, the same whether it is gzipped or not.
    fn images_error(bytes: &[u8]) -> String {
        let raw = images("digits", bytes).unwrap_err().to_string();
        let packed = images("digits", gzip(bytes).as_slice()).unwrap_err().to_string();
        assert_eq!(raw, packed);
        raw
    }

    #[test]
    fn reads_images_and_labels_gzipped_or_not() {
        let file = idx(0x803, &[2, 2, 2], &[1, 2, 3, 4, 5, 6, 7, 8]);
        for bytes in [file.clone(), gzip(&file)] {
            let read = images("f", bytes.as_slice()).unwrap();
            assert_eq!((read.count, read.side), (2, 2));
            assert_eq!(read.bytes, [1, 2, 3, 4, 5, 6, 7, 8]);
        }
        let file = idx(0x801, &[3], &[7, 0, 255]);
        for bytes in [file.clone(), gzip(&file)] {
            assert_eq!(labels("f", bytes.as_slice()).unwrap(), [7, 0, 255]);
        }
    }

    #[test]
    fn reads_a_gzip_file_of_several_members() {
        let file = idx(0x801, &[3], &[7, 0, 255]);
        let members = [gzip(&file[..9]), gzip(&file[9..])].concat();
        assert_eq!(labels("f", members.as_slice()).unwrap(), [7, 0, 255]);
    }

    #[test]
    fn a_wrong_magic_number_says_what_was_found() {
        assert_eq!(
            images_error(b"\x89PNG\r\n\x1a\n and more than a header"),
            "digits starts with 0x89504e47 where IDX images start with 0x00000803; \
             replace it by an IDX file of unsigned bytes"
        );
    }

    #[test]
    fn swapped_files_are_recognised_both_ways() {
        assert_eq!(
            images_error(&idx(0x801, &[3], &[1, 2, 3])),
            "digits holds IDX labels (0x00000801) where images (0x00000803) were expected; \
             were the image and label files swapped?"
        );
        let error = labels("f", idx(0x803, &[1, 1, 1], &[0]).as_slice()).unwrap_err();
        assert!(matches!(error, DatasetError::Swapped { found: "images", .. }), "{error}");
    }

    #[test]
    fn a_short_header_is_truncation() {
        let file = idx(0x803, &[1, 1, 1], &[]);
        for length in [0, 3, 4, 15] {
            let error = images_error(&file[..length]);
            assert!(error.contains(&format!("ends after {length} of 16 bytes")), "{error}");
        }
    }

    #[test]
    fn data_must_have_the_announced_length() {
        assert_eq!(
            images_error(&idx(0x803, &[2, 2, 2], &[0; 7])),
            "digits is truncated: it ends after 23 of 24 bytes (counted unpacked); fetch it again"
        );
        assert_eq!(
            images_error(&idx(0x803, &[2, 2, 2], &[0; 9])),
            "digits goes on after the 24 bytes (counted unpacked) that its header announces; fetch it again"
        );
    }

    #[test]
    fn nothing_is_allocated_on_the_word_of_a_header() {
        // 4 GiB announced, no data: truncated, and at once.
        let error = images_error(&idx(0x803, &[1 << 20, 64, 64], &[]));
        assert!(error.contains("ends after 16 of 4294967312 bytes"), "{error}");
        // 1 byte announced, 64 MiB packed in: read no further than needed to tell.
        let error = images_error(&idx(0x803, &[1, 1, 1], &vec![0; 64 << 20]));
        assert!(error.contains("goes on after the 17 bytes"), "{error}");
    }

    #[test]
    fn dimensions_that_overflow_are_refused() {
        for dimensions in [[u32::MAX; 3], [(1 << 20) + 1, 64, 64]] {
            let error = images_error(&idx(0x803, &dimensions, &[0; 64]));
            assert!(error.contains("more than the 4294967296 bytes that can be loaded"), "{error}");
        }
    }

    #[test]
    fn empty_files_are_refused() {
        for dimensions in [[0, 28, 28], [5, 0, 0]] {
            let error = images_error(&idx(0x803, &dimensions, &[]));
            assert!(error.starts_with("digits is empty"), "{error}");
        }
        let error = labels("f", idx(0x801, &[0], &[]).as_slice()).unwrap_err();
        assert!(matches!(error, DatasetError::EmptyFile { .. }), "{error}");
    }

    #[test]
    fn images_must_be_square() {
        let error = images_error(&idx(0x803, &[1, 2, 3], &[0; 6]));
        assert!(error.contains("images of 2x3 pixels"), "{error}");
    }

    #[test]
    fn a_damaged_gzip_file_is_an_error_wherever_the_damage_is() {
        let data: Vec<u8> = (0..64 * 64).map(|i| (i * i / 7) as u8).collect();
        let good = gzip(&idx(0x803, &[1, 64, 64], &data));
        assert!(images("f", good.as_slice()).is_ok());

        for length in [2, 12, good.len() / 2, good.len() - 9, good.len() - 1] {
            let error = images("f", &good[..length]).unwrap_err();
            assert!(matches!(error, DatasetError::Gzip { .. }), "cut at {length}: {error}");
        }
        let mut bad_checksum = good.clone();
        bad_checksum[good.len() - 5] ^= 1;
        let trailing = [good.as_slice(), b"more"].concat();
        for bytes in [bad_checksum, trailing] {
            let error = images("f", bytes.as_slice()).unwrap_err();
            assert!(matches!(error, DatasetError::Gzip { .. }), "{error}");
        }
    }
}
