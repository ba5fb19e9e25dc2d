//! TensorBoard's event file: records of <https://www.tensorflow.org/tutorials/load_data/tfrecord>, each an `Event` of
//! tensorflow/core/util/event.proto. The messages are written out here, as far as they are used, because the crates
//! that write such files need `protoc` to build.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use image::DynamicImage;
use prost::Message;

/// What the first event of every file says.
const VERSION: &str = "brain.Event:2";

#[derive(Clone, PartialEq, Message)]
struct Event {
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(string, optional, tag = "3")]
    file_version: Option<String>,
    #[prost(message, optional, tag = "5")]
    summary: Option<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(message, repeated, tag = "1")]
    values: Vec<Value>,
}

/// One of a number and a picture, under a tag.
#[derive(Clone, PartialEq, Message)]
struct Value {
    #[prost(string, tag = "1")]
    tag: String,
    #[prost(float, optional, tag = "2")]
    number: Option<f32>,
    #[prost(message, optional, tag = "4")]
    picture: Option<Picture>,
}

#[derive(Clone, PartialEq, Message)]
struct Picture {
    #[prost(int32, tag = "1")]
    height: i32,
    #[prost(int32, tag = "2")]
    width: i32,
    /// 1 for grey, 3 for RGB.
    #[prost(int32, tag = "3")]
    colorspace: i32,
    #[prost(bytes = "vec", tag = "4")]
    encoded: Vec<u8>,
}

/// A file, open for more events.
pub struct Events {
    path: PathBuf,
    file: File,
}

impl Events {
    /// A new file.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        Self::open(path, &[])
    }

    /// The file of a run that goes on after `step`: later events, and one that was cut off, are dropped.
    pub fn resume(path: &Path, step: u32) -> anyhow::Result<Self> {
        // A run whose events are gone can go on without them.
        let bytes = std::fs::read(path).unwrap_or_default();
        let kept: Vec<_> = parse(&bytes)
            .into_iter()
            .filter(|event| event.file_version.is_none() && event.step <= i64::from(step))
            .collect();
        Self::open(path, &kept)
    }

    fn open(path: &Path, kept: &[Event]) -> anyhow::Result<Self> {
        let first = Event { wall_time: now(), file_version: Some(VERSION.into()), ..Event::default() };
        let bytes: Vec<u8> = std::iter::once(&first).chain(kept).flat_map(record).collect();
        programs::write_atomically(path, |file| file.write_all(&bytes))?;
        let file = OpenOptions::new().append(true).open(path);
        let file = file.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self { path: path.to_path_buf(), file })
    }

    /// Adds numbers after a step, each under a tag.
    pub fn numbers<'a>(&mut self, rows: impl IntoIterator<Item = (u32, Vec<(&'a str, f64)>)>) -> anyhow::Result<()> {
        let value =
            |(tag, number): (&str, f64)| Value { tag: tag.to_owned(), number: Some(number as f32), picture: None };
        self.append(rows.into_iter().map(|(step, numbers)| (step, numbers.into_iter().map(value).collect())))
    }

    /// Adds a picture after a step; `encoded` is its PNG file.
    pub fn picture(&mut self, step: u32, tag: &str, picture: &DynamicImage, encoded: Vec<u8>) -> anyhow::Result<()> {
        let [height, width] = [picture.height(), picture.width()].map(|size| size as i32);
        let colorspace = i32::from(picture.color().channel_count());
        let picture = Picture { height, width, colorspace, encoded };
        self.append([(step, vec![Value { tag: tag.to_owned(), number: None, picture: Some(picture) }])])
    }

    fn append(&mut self, rows: impl IntoIterator<Item = (u32, Vec<Value>)>) -> anyhow::Result<()> {
        let wall_time = now();
        let event = |(step, values): (u32, Vec<Value>)| Event {
            wall_time,
            step: i64::from(step),
            file_version: None,
            summary: Some(Summary { values }),
        };
        let bytes: Vec<u8> = rows.into_iter().flat_map(|row| record(&event(row))).collect();
        self.file.write_all(&bytes).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Seconds since 1970.
fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}

/// An event as a record: its length, the length's checksum, the event, and the event's checksum.
fn record(event: &Event) -> Vec<u8> {
    let bytes = event.encode_to_vec();
    let length = (bytes.len() as u64).to_le_bytes();
    [&length[..], &checksum(&length), &bytes, &checksum(&bytes)].concat()
}

/// CRC-32C, rotated and shifted as the format has it, so that a checksum of checksums is none.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// The events up to the first record that is damaged or cut off.
fn parse(bytes: &[u8]) -> Vec<Event> {
    let mut rest = bytes;
    std::iter::from_fn(|| {
        let (event, after) = first_event(rest)?;
        rest = after;
        Some(event)
    })
    .collect()
}

fn first_event(bytes: &[u8]) -> Option<(Event, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (length_sum, rest) = rest.split_first_chunk::<4>()?;
    let (event, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    let (event_sum, rest) = rest.split_first_chunk::<4>()?;
    let whole = checksum(length) == *length_sum && checksum(event) == *event_sum;
    whole.then(|| Event::decode(event).ok()).flatten().map(|event| (event, rest))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The checksum of a length of 24, as TensorBoard's own writer has it at the head of its files.
    #[test]
    fn checksums_are_those_of_the_format() {
        assert_eq!(checksum(&24_u64.to_le_bytes()), [0xa3, 0x7f, 0x4b, 0x22]);
    }

    #[test]
    fn a_file_that_is_resumed_has_each_step_once_and_nothing_damaged() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events");
        let mut events = Events::create(&path).unwrap();
        events.numbers((1..=5).map(|step| (step, vec![("loss", 1.0 / f64::from(step)), ("rate", 0.5)]))).unwrap();
        events.picture(5, "samples", &DynamicImage::new_luma8(3, 2), vec![1, 2, 3]).unwrap();
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(parse(&whole).len(), 7, "the version, five steps, a picture");

        std::fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let mut events = Events::resume(&path, 3).unwrap();
        events.numbers([(4, vec![("loss", 0.125)])]).unwrap();
        let found = parse(&std::fs::read(&path).unwrap());
        assert_eq!(found[0].file_version.as_deref(), Some(VERSION));
        assert_eq!(found.iter().map(|event| event.step).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        assert_eq!(found[4].summary.as_ref().unwrap().values[0].number, Some(0.125));
    }

    #[test]
    fn a_flipped_bit_ends_the_file() {
        let event = |step| Event { step, ..Event::default() };
        let one = record(&event(1));
        let good = [&one[..], &record(&event(2))].concat();
        assert_eq!(parse(&good), [event(1), event(2)]);
        for place in one.len()..good.len() {
            let mut bad = good.clone();
            bad[place] ^= 4;
            assert_eq!(parse(&bad), [event(1)], "byte {place}");
        }
        assert!(parse(&[]).is_empty());
    }
}
