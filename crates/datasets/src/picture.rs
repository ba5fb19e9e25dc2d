//! An image file, and what it takes to make it square and of the size asked for.

use std::io::BufReader;
use std::path::Path;
use std::{fs::File, io};

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageReader, Rgb, RgbImage, imageops};

use crate::Fit;

/// What shows through where an image is transparent: pages and stickers are drawn for white.
const PAPER: u8 = 255;

/// An image without transparency, and what its bars are to be filled with.
pub(crate) struct Picture {
    pixels: RgbImage,
    bars: u8,
}

/// The width and height of an image file, turned as its camera was held. Reads no more than its header.
pub(crate) fn dimensions(path: &Path) -> Result<(u32, u32), String> {
    let mut decoder = decoder(path)?;
    let (width, height) = decoder.dimensions();
    let turned = matches!(
        decoder.orientation().map_err(reason)?,
        Orientation::Rotate90 | Orientation::Rotate270 | Orientation::Rotate90FlipH | Orientation::Rotate270FlipH
    );
    Ok(if turned { (height, width) } else { (width, height) })
}

fn decoder(path: &Path) -> Result<impl ImageDecoder, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    // By its first bytes: names often lie. The library's limits guard against sizes that no memory holds.
    let reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(|error| error.to_string())?;
    if reader.format().is_none() {
        return Err("it does not begin as PNG, JPEG, GIF, WebP or BMP do".into());
    }
    reader.into_decoder().map_err(reason)
}

/// The library's reason in one short line.
fn reason(error: image::ImageError) -> String {
    match error {
        image::ImageError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => "it is truncated".into(),
        other => other.to_string().replace('\n', " "),
    }
}

impl Picture {
    /// Reads a file, the first picture of it where it has several, turned as its camera was held.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let mut decoder = decoder(path)?;
        let orientation = decoder.orientation().map_err(reason)?;
        let mut image = DynamicImage::from_decoder(decoder).map_err(reason)?;
        image.apply_orientation(orientation);
        Ok(Self::new(image))
    }

    /// Takes any image, 8 bits or more a channel.
    pub(crate) fn new(image: DynamicImage) -> Self {
        if !image.color().has_alpha() {
            return Self { pixels: image.into_rgb8(), bars: 0 };
        }
        let image = image.into_rgba8();
        let (width, height) = image.dimensions();
        let blend = |value: u8, alpha: u8| {
            let (value, alpha, paper) = (u32::from(value), u32::from(alpha), u32::from(PAPER));
            ((value * alpha + paper * (255 - alpha) + 127) / 255) as u8
        };
        let pixels = RgbImage::from_fn(width, height, |x, y| {
            let [red, green, blue, alpha] = image.get_pixel(x, y).0;
            Rgb([red, green, blue].map(|value| blend(value, alpha)))
        });
        Self { pixels, bars: PAPER }
    }

    /// Planes of red, green and blue, 3·S·S bytes, of the image made S = `size` pixels wide and high.
    /// Sizes change by Lanczos's filter of three lobes, over as many pixels as shrinking takes.
    pub(crate) fn planes(&self, size: u32, fit: Fit) -> Result<Vec<u8>, String> {
        let square = self.square(size, fit)?;
        let plane = |channel: usize| square.pixels().map(move |pixel| pixel.0[channel]);
        Ok((0..3).flat_map(plane).collect())
    }

    fn square(&self, size: u32, fit: Fit) -> Result<RgbImage, String> {
        let (width, height) = self.pixels.dimensions();
        if (width, height) == (size, size) {
            return Ok(self.pixels.clone());
        }
        let options = ResizeOptions::new();
        match fit {
            Fit::Crop => self.resized(size, size, &options.fit_into_destination(None)),
            Fit::Stretch => self.resized(size, size, &options),
            Fit::Pad => {
                let longer = width.max(height);
                // Rounded, and a line at least: at most `size`, since neither side is longer than `longer`.
                let scaled = |side: u32| {
                    let (side, size, longer) = (u64::from(side), u64::from(size), u64::from(longer));
                    (((2 * side * size + longer) / (2 * longer)) as u32).max(1)
                };
                let inner = self.resized(scaled(width), scaled(height), &options)?;
                let mut square = RgbImage::from_pixel(size, size, Rgb([self.bars; 3]));
                let [left, top] = [inner.width(), inner.height()].map(|side| i64::from((size - side) / 2));
                imageops::replace(&mut square, &inner, left, top);
                Ok(square)
            }
        }
    }

    fn resized(&self, width: u32, height: u32, options: &ResizeOptions) -> Result<RgbImage, String> {
        let source =
            TypedImageRef::<U8x3>::from_buffer(self.pixels.width(), self.pixels.height(), self.pixels.as_raw())
                .map_err(|error| error.to_string())?;
        let mut resized = RgbImage::new(width, height);
        let mut target =
            TypedImage::<U8x3>::from_buffer(width, height, &mut resized).map_err(|error| error.to_string())?;
        // Of one kind of pixel: `resize` would be compiled for thirteen, which takes minutes.
        Resizer::new().resize_typed(&source, &mut target, options).map_err(|error| error.to_string())?;
        Ok(resized)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use image::{GrayImage, Luma, LumaA, Rgba, RgbaImage};

    use super::*;

    /// Three columns of red, green and blue, one pixel high.
    fn flag() -> Picture {
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];
        Picture::new(RgbImage::from_fn(3, 1, |x, _| Rgb(colours[x as usize])).into())
    }

    #[test]
    fn an_image_of_the_right_size_is_kept_to_the_byte() {
        let image = RgbImage::from_fn(2, 2, |x, y| Rgb([x as u8, y as u8, 9]));
        for fit in [Fit::Crop, Fit::Pad, Fit::Stretch] {
            let planes = Picture::new(image.clone().into()).planes(2, fit).unwrap();
            assert_eq!(planes, [0, 1, 0, 1, 0, 0, 1, 1, 9, 9, 9, 9]);
        }
    }

    #[test]
    fn crop_takes_the_middle_pad_adds_bars_stretch_squeezes() {
        assert_eq!(flag().planes(1, Fit::Crop).unwrap(), [0, 255, 0]);
        let padded = flag().planes(3, Fit::Pad).unwrap();
        assert_eq!(padded, [0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 0]);
        let stretched = flag().planes(3, Fit::Stretch).unwrap();
        assert_eq!(stretched[..9], [255, 0, 0, 255, 0, 0, 255, 0, 0]);
        // One column of one image beside a hundred is still a line, of whatever size.
        let line = Picture::new(GrayImage::from_pixel(1, 100, Luma([200])).into()).planes(7, Fit::Pad).unwrap();
        assert_eq!(line.iter().filter(|&&value| value == 200).count(), 3 * 7);
    }

    #[test]
    fn shrinking_averages_and_keeps_flat_images_flat() {
        let checks = GrayImage::from_fn(64, 64, |x, y| Luma([if (x + y) % 2 == 0 { 255 } else { 0 }]));
        for value in Picture::new(checks.into()).planes(5, Fit::Crop).unwrap() {
            assert!((120..=135).contains(&value), "{value}: pixels were picked, not averaged");
        }
        for (width, height) in [(1, 1), (3, 7), (50, 31)] {
            let flat = Picture::new(GrayImage::from_pixel(width, height, Luma([77])).into());
            for fit in [Fit::Crop, Fit::Stretch] {
                assert_eq!(flat.planes(9, fit).unwrap(), [77; 3 * 81], "{width}x{height}");
            }
        }
    }

    #[test]
    fn transparency_shows_white_and_bars_go_with_it() {
        let image = RgbaImage::from_fn(2, 1, |x, _| Rgba([10, 20, 30, if x == 0 { 0 } else { 255 }]));
        let planes = Picture::new(image.into()).planes(2, Fit::Pad).unwrap();
        assert_eq!(planes, [255, 10, 255, 255, 255, 20, 255, 255, 255, 30, 255, 255]);
        let half = image::GrayAlphaImage::from_pixel(1, 1, LumaA([0, 128]));
        assert_eq!(Picture::new(half.into()).planes(1, Fit::Crop).unwrap(), [127; 3]);
    }

    #[test]
    fn sixteen_bits_become_eight() {
        let image = image::ImageBuffer::<Luma<u16>, _>::from_pixel(1, 1, Luma([0x8080]));
        assert_eq!(Picture::new(image.into()).planes(1, Fit::Crop).unwrap(), [0x80; 3]);
    }

    #[test]
    fn every_format_is_read_whatever_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let image = DynamicImage::from(RgbImage::from_pixel(5, 3, Rgb([250, 0, 0])));
        for (format, tolerance) in [
            (image::ImageFormat::Png, 0),
            (image::ImageFormat::Bmp, 0),
            (image::ImageFormat::WebP, 0),
            (image::ImageFormat::Gif, 8),
            (image::ImageFormat::Jpeg, 8),
        ] {
            let path = folder.path().join("no-extension");
            image.save_with_format(&path, format).unwrap();
            assert_eq!(dimensions(&path).unwrap(), (5, 3));
            let planes = Picture::open(&path).unwrap().planes(1, Fit::Stretch).unwrap();
            for (got, want) in planes.iter().zip([250_u8, 0, 0]) {
                assert!(got.abs_diff(want) <= tolerance, "{format:?}: {planes:?}");
            }
        }
    }

    #[test]
    fn a_photograph_taken_sideways_is_turned() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("turned.jpg");
        // Left half white, right half black, and an EXIF block that says: turn by 90 degrees clockwise.
        let image = GrayImage::from_fn(32, 16, |x, _| Luma([if x < 16 { 255 } else { 0 }]));
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 100);
        let exif = [b"II*\0\x08\0\0\0".as_slice(), b"\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"].concat();
        image::ImageEncoder::set_exif_metadata(&mut encoder, exif).unwrap();
        image.write_with_encoder(encoder).unwrap();
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(dimensions(&path).unwrap(), (16, 32));
        let planes = Picture::open(&path).unwrap().planes(2, Fit::Stretch).unwrap();
        assert!(planes[0] > 200 && planes[1] > 200 && planes[2] < 55 && planes[3] < 55, "{planes:?}");
    }

    #[test]
    fn what_is_no_image_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        let reason = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            Picture::open(&path).map(|_| ()).unwrap_err()
        };
        assert!(reason(b"").contains("does not begin as"));
        assert!(reason(b"some text").contains("does not begin as"));
        let mut whole = Vec::new();
        let image = DynamicImage::from(GrayImage::from_fn(40, 40, |x, y| Luma([(x * y) as u8])));
        image.write_to(&mut io::Cursor::new(&mut whole), image::ImageFormat::Png).unwrap();
        for length in [9, 30, whole.len() / 2] {
            let reason = reason(&whole[..length]);
            assert!(!reason.is_empty() && !reason.contains('\n'), "{reason}");
        }
    }
}
