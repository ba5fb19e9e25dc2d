//! Animations: GIF files that play without end.

use std::io::{self, Write};
use std::path::Path;

use gif::{AnyExtension, Encoder, EncodingError, Extension, Frame, Repeat};
use image::DynamicImage;

use crate::{FileError, write_atomically};

/// The most pixels of a frame, along each side; the format allows 2^16 - 1, but few programs show it.
pub const GIF_LIMIT: u32 = 4096;
/// The time that a frame is shown, in hundredths of a second, and one that is to stay.
const DELAY: u16 = 10;
const STAY: u16 = 150;
/// Levels of grey: enough for something that moves. Fewer make smaller files.
const GREYS: u16 = 32;
/// Stands for a pixel that is as it was a frame ago, after the greys: long runs of it take next to no space.
const UNCHANGED: u8 = GREYS as u8;
/// How thoroughly 256 colours are chosen for a frame in colour, from 1, best, to 30.
const COLOUR_SPEED: i32 = 10;

/// Writes frames of one size as a GIF, atomically, with a `comment` in it. It plays without end, and stays for a
/// while at the frames whose indices are in `stays`.
///
/// # Errors
/// As [`write_atomically`]; also where there is no frame, or one is larger than [`GIF_LIMIT`] or of another
/// size than the first.
pub fn save_gif(
    path: impl AsRef<Path>,
    frames: &[DynamicImage],
    stays: &[usize],
    comment: &str,
) -> Result<(), FileError> {
    write_atomically(path, |writer| {
        encode(writer, frames, stays, comment).map_err(|error| match error {
            EncodingError::Io(error) => error,
            other => io::Error::other(other),
        })
    })
}

fn encode(
    writer: &mut dyn Write,
    frames: &[DynamicImage],
    stays: &[usize],
    comment: &str,
) -> Result<(), EncodingError> {
    let size = |image: &DynamicImage| (image.width(), image.height());
    let first = frames.first().map_or((0, 0), size);
    let unfit = || EncodingError::from(io::Error::other("the frames are not of one size that a GIF can have"));
    if frames.iter().any(|frame| size(frame) != first) || first.0.max(first.1) > GIF_LIMIT || first.0 == 0 {
        return Err(unfit());
    }
    let (width, height) = (first.0 as u16, first.1 as u16);
    let palette: Vec<u8> = (0..=GREYS).flat_map(|level| [(255 * level / (GREYS - 1)).min(255) as u8; 3]).collect();
    let mut encoder = Encoder::new(writer, width, height, &palette)?;
    encoder.set_repeat(Repeat::Infinite)?;
    encoder.write_raw_extension(AnyExtension(Extension::Comment as u8), &[comment.as_bytes()])?;
    let mut shown = vec![UNCHANGED; usize::from(width) * usize::from(height)];
    for (index, image) in frames.iter().enumerate() {
        let mut frame = match image {
            DynamicImage::ImageLuma8(grey) => {
                let level = |byte: &u8| ((u16::from(*byte) * (GREYS - 1) + 127) / 255) as u8;
                let levels: Vec<u8> = grey.iter().map(level).collect();
                let change = |(now, before): (&u8, &u8)| if now == before { UNCHANGED } else { *now };
                let changes: Vec<u8> = levels.iter().zip(&shown).map(change).collect();
                shown = levels;
                Frame::from_indexed_pixels(width, height, changes, Some(UNCHANGED))
            }
            other => Frame::from_rgb_speed(width, height, &other.to_rgb8(), COLOUR_SPEED),
        };
        frame.delay = if stays.contains(&index) { STAY } else { DELAY };
        encoder.write_frame(&frame)?;
    }
    encoder.into_inner()?.flush()?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;

    use gif::{ColorOutput, DecodeOptions};

    use super::*;

    /// Half the distance between two levels of grey, rounded up.
    const HALF_A_LEVEL: u8 = 5;

    #[test]
    fn frames_play_without_end_and_some_stay() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.gif");
        let frames: Vec<_> = [0u8, 7, 130, 255]
            .map(|level| DynamicImage::ImageLuma8(image::GrayImage::from_pixel(5, 3, image::Luma([level]))))
            .into();
        save_gif(&path, &frames, &[1], "made by hand").unwrap();

        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::RGBA);
        let mut decoder = options.read_info(fs::File::open(&path).unwrap()).unwrap();
        assert_eq!((decoder.width(), decoder.height()), (5, 3));
        let mut delays = Vec::new();
        while let Some(frame) = decoder.read_next_frame().unwrap() {
            let expected = frames[delays.len()].to_luma8().get_pixel(0, 0)[0];
            let found = frame.buffer.chunks_exact(4).map(|pixel| pixel[0]);
            assert!(found.clone().count() == 15 && found.clone().all(|level| level.abs_diff(expected) <= HALF_A_LEVEL));
            delays.push(frame.delay);
        }
        assert_eq!(delays, [DELAY, STAY, DELAY, DELAY]);
        assert_eq!(decoder.repeat(), Repeat::Infinite);
        let bytes = fs::read(&path).unwrap();
        assert!(bytes.windows(12).any(|window| window == b"made by hand"));
    }

    #[test]
    fn pixels_that_do_not_change_are_left_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.gif");
        let frame = |second: u8| DynamicImage::ImageLuma8(image::GrayImage::from_raw(2, 1, vec![255, second]).unwrap());
        save_gif(&path, &[frame(0), frame(255), frame(255)], &[], "").unwrap();
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::RGBA);
        let mut decoder = options.read_info(fs::File::open(&path).unwrap()).unwrap();
        let mut next = || {
            let pixels = decoder.read_next_frame().unwrap().unwrap().buffer.to_vec();
            [(pixels[0], pixels[3]), (pixels[4], pixels[7])]
        };
        assert_eq!(next(), [(255, 255), (0, 255)]);
        let [(_, first), second] = next();
        assert_eq!((first, second), (0, (255, 255)), "the first pixel shines through, the second is new");
        let [(_, first), (_, second)] = next();
        assert_eq!((first, second), (0, 0));
    }

    #[test]
    fn colour_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.gif");
        let red = DynamicImage::ImageRgb8(image::RgbImage::from_pixel(4, 4, image::Rgb([200, 10, 20])));
        save_gif(&path, &[red], &[], "").unwrap();
        let mut options = DecodeOptions::new();
        options.set_color_output(ColorOutput::RGBA);
        let mut decoder = options.read_info(fs::File::open(&path).unwrap()).unwrap();
        assert_eq!(decoder.read_next_frame().unwrap().unwrap().buffer[..3], [200, 10, 20]);
    }

    #[test]
    fn refuses_what_is_no_animation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.gif");
        let mixed = [DynamicImage::new_luma8(4, 4), DynamicImage::new_luma8(4, 5)];
        let too_wide = [DynamicImage::new_luma8(GIF_LIMIT + 1, 1)];
        for frames in [&[][..], &mixed, &too_wide] {
            assert!(save_gif(&path, frames, &[], "").is_err());
        }
        assert!(!path.exists());
    }
}
