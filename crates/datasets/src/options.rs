//! Which images to read, and how: as programs' flags say it, and as a checkpoint stores it.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

/// The name of the images that are built in.
const MNIST: &str = "mnist";

/// Where images are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Place {
    /// MNIST, in the program.
    #[default]
    BuiltIn,
    /// A directory or a file.
    Path(PathBuf),
}

impl Place {
    /// The path; none for what is built in.
    pub fn path(&self) -> Option<&std::path::Path> {
        match self {
            Self::BuiltIn => None,
            Self::Path(path) => Some(path),
        }
    }
}

/// `mnist` is what is built in, everything else a path: a directory of that name is `./mnist`.
impl From<OsString> for Place {
    fn from(text: OsString) -> Self {
        if text == MNIST { Self::BuiltIn } else { Self::Path(text.into()) }
    }
}

impl FromStr for Place {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(OsString::from(text).into())
    }
}

/// As it is typed.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str(MNIST),
            Self::Path(path) => path.display().fmt(f),
        }
    }
}

/// How an image that is not square becomes square; displayed as its flag has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Its middle, as large a square as fits
    #[default]
    Crop,
    /// All of it, with bars at two sides: black, or white where the image is transparent
    Pad,
    /// All of it, squeezed
    Stretch,
}

/// What becomes of colour; displayed as its flag has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// Grey where no pixel of any image has colour, else colour
    #[default]
    Auto,
    /// One channel
    #[value(alias = "gray")]
    Grey,
    /// Three channels
    #[value(alias = "color")]
    Colour,
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Crop => "crop",
            Self::Pad => "pad",
            Self::Stretch => "stretch",
        })
    }
}

impl fmt::Display for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Grey => "grey",
            Self::Colour => "colour",
        })
    }
}

/// How images are read. The default takes images as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadOptions {
    /// Width and height in pixels to make images; as they are if not given.
    pub size: Option<u32>,
    /// How images become square.
    pub fit: Fit,
    /// What becomes of colour.
    pub channels: Channels,
    /// Leave out images that cannot be read.
    pub skip_unreadable: bool,
    /// The share of each class that is held out where images come without a test split: [0, 1).
    pub held_out: f64,
    /// Which images these are.
    pub held_out_seed: u64,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            size: None,
            fit: Fit::Crop,
            channels: Channels::Auto,
            skip_unreadable: false,
            held_out: 0.1,
            held_out_seed: 0,
        }
    }
}

/// The flags for [`ReadOptions`].
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Images")]
pub struct ReadArgs {
    /// Make images N pixels wide and high; needed where they differ in size or are not square
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub image_size: Option<u32>,

    /// How images that are not square become square [default: crop]
    #[arg(long, value_enum, value_name = "FIT")]
    pub image_fit: Option<Fit>,

    /// What becomes of colour [default: auto]
    #[arg(long, value_enum, value_name = "CHANNELS")]
    pub image_channels: Option<Channels>,

    /// Leave out images that cannot be read, and say which
    #[arg(long, value_name = "true|false", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub skip_unreadable: Option<bool>,

    /// The share of each class not to train on, where images come without a test split [default: 0.1]
    #[arg(long, value_name = "SHARE", value_parser = share, allow_negative_numbers = true)]
    pub held_out: Option<f64>,

    /// Which images these are: another seed, other images [default: 0]
    #[arg(long, value_name = "SEED")]
    pub held_out_seed: Option<u64>,
}

impl ReadArgs {
    /// What the flags say, and `otherwise` what they do not say.
    pub fn options(&self, otherwise: &ReadOptions) -> ReadOptions {
        ReadOptions {
            size: self.image_size.or(otherwise.size),
            fit: self.image_fit.unwrap_or(otherwise.fit),
            channels: self.image_channels.unwrap_or(otherwise.channels),
            skip_unreadable: self.skip_unreadable.unwrap_or(otherwise.skip_unreadable),
            held_out: self.held_out.unwrap_or(otherwise.held_out),
            held_out_seed: self.held_out_seed.unwrap_or(otherwise.held_out_seed),
        }
    }
}

/// The flags of a program that reads images.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Images")]
pub struct DataArgs {
    /// `mnist`, which is built in, or a path: IDX files, a .npz file, or folders of images [default: mnist]
    ///
    /// A directory with IDX files as MNIST and Fashion-MNIST are published in, gzipped or not; a .npz file
    /// with x_train and y_train; or a folder with a subfolder of PNG, JPEG, GIF, WebP or BMP files for each
    /// class, perhaps within train and test. `datasets inspect PATH` shows what is there. With --resume: the
    /// images' new location, if they have moved.
    #[arg(long, value_name = "PATH")]
    pub data: Option<Place>,

    /// How to read them.
    #[command(flatten)]
    pub reading: ReadArgs,
}

fn share(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..1.0).contains(&value) => Ok(value),
        _ => Err("give a number from 0 to below 1".into()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Program {
        #[command(flatten)]
        data: DataArgs,
    }

    fn parse(arguments: &[&str]) -> Result<DataArgs, clap::Error> {
        Program::try_parse_from([&["program"], arguments].concat()).map(|program| program.data)
    }

    #[test]
    fn mnist_is_built_in_and_anything_else_a_path() {
        let place = |text: &str| parse(&["--data", text]).unwrap().data.unwrap();
        assert_eq!(place("mnist"), Place::BuiltIn);
        assert_eq!(place("./mnist"), Place::Path("./mnist".into()));
        assert_eq!(place("./mnist").to_string(), "./mnist");
        assert_eq!(Place::BuiltIn.to_string(), "mnist");
        assert!(parse(&[]).unwrap().data.is_none());
    }

    #[test]
    fn flags_go_before_what_was_stored() {
        let stored = ReadOptions { size: Some(32), fit: Fit::Pad, skip_unreadable: true, ..ReadOptions::default() };
        assert_eq!(parse(&[]).unwrap().reading.options(&stored), stored);
        let flags = ["--image-size", "16", "--image-channels", "gray", "--held-out", "0", "--held-out-seed", "3"];
        let options = parse(&flags).unwrap().reading.options(&stored);
        let expected =
            ReadOptions { size: Some(16), channels: Channels::Grey, held_out: 0.0, held_out_seed: 3, ..stored };
        assert_eq!(options, expected);
    }

    #[test]
    fn values_are_displayed_as_flags_have_them() {
        for fit in Fit::value_variants() {
            assert!(parse(&["--image-fit", &fit.to_string()]).is_ok_and(|data| data.reading.image_fit == Some(*fit)));
        }
        for channels in Channels::value_variants() {
            let data = parse(&["--image-channels", &channels.to_string()]);
            assert!(data.is_ok_and(|data| data.reading.image_channels == Some(*channels)));
        }
    }

    #[test]
    fn flags_that_cannot_be_meant_are_refused() {
        for flags in [["--image-size", "0"], ["--image-size", "1025"], ["--image-fit", "squash"]] {
            assert!(parse(&flags).is_err(), "{flags:?}");
        }
        for share in ["1", "-0.1", "nan", "some"] {
            assert!(parse(&["--held-out", share]).is_err(), "{share}");
        }
    }

    #[test]
    fn what_an_older_version_stored_gets_the_defaults() {
        assert_eq!(serde_json::from_str::<ReadOptions>("{}").unwrap(), ReadOptions::default());
        let some = ReadOptions { size: Some(8), channels: Channels::Colour, held_out: 0.25, ..ReadOptions::default() };
        let stored = serde_json::to_string(&some).unwrap();
        assert!(stored.contains(r#""channels":"colour""#), "{stored}");
        assert_eq!(serde_json::from_str::<ReadOptions>(&stored).unwrap(), some);
    }
}
