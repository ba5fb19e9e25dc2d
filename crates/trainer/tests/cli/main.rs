//! The trainer as a user runs it: a run and what it leaves, resuming, stopping, and bad input.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod configuration;
mod folders;
mod refusals;
mod resuming;
mod run;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, thread, time};

use tempfile::TempDir;
use tests::harness::devices;

/// A folder with a small data set: 40 images of 8 × 8 in two classes, in MNIST's format.
fn data() -> TempDir {
    let folder = TempDir::new().unwrap();
    for (name, count) in [("train", 40_u32), ("t10k", 4)] {
        let labels: Vec<u8> = (0..count).map(|i| (i % 2) as u8).collect();
        let pixels =
            labels.iter().flat_map(|label| (0..64).map(move |i| if (i % 8 < 4) == (*label == 0) { 230 } else { 20 }));
        let images = header(3, &[count, 8, 8]).into_iter().chain(pixels).collect::<Vec<u8>>();
        fs::write(folder.path().join(format!("{name}-images-idx3-ubyte")), images).unwrap();
        let labels = header(1, &[count]).into_iter().chain(labels).collect::<Vec<u8>>();
        fs::write(folder.path().join(format!("{name}-labels-idx1-ubyte")), labels).unwrap();
    }
    folder
}

fn header(dimensions: u8, sizes: &[u32]) -> Vec<u8> {
    [0, 0, 8, dimensions].into_iter().chain(sizes.iter().flat_map(|size| size.to_be_bytes())).collect()
}

fn trainer(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.args(["--device", "cpu"]).args(arguments);
    command
}

/// Flags that stand alone.
fn trainer_alone(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trainer"));
    command.args(arguments);
    command
}

/// A run of the tiny preset on the small data set.
fn tiny(data: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = trainer(&["--preset", "tiny", "--batch", "8", "--data"]);
    command.arg(data).arg("--out").arg(out).args(more);
    command
}

fn resume(out: &Path, more: &[&str]) -> Command {
    let mut command = trainer(&["--resume"]);
    command.arg(out).args(more);
    command
}

fn succeed(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Expects a failure with this status, and returns the one sentence that it says.
fn fail(mut command: Command, status: i32) -> String {
    let Output { status: got, stderr, .. } = command.output().unwrap();
    let text = String::from_utf8(stderr).unwrap();
    assert_eq!(got.code(), Some(status), "{command:?}: {text}");
    assert!(!text.contains("panicked") && !text.contains("RUST_BACKTRACE"), "{command:?}: {text}");
    let first = text.lines().next().unwrap_or_default().to_owned();
    assert!(first.starts_with("error: "), "{command:?}: {text}");
    // clap adds a line that points to --help; everything else is one line.
    assert!(status == 2 || text.lines().count() == 1, "{command:?}: {text}");
    first
}

fn rows(out: &Path) -> Vec<String> {
    lines(&out.join("metrics.csv"))
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

/// The first column of a file, without its header.
fn steps(path: &Path) -> Vec<u32> {
    lines(path)[1..].iter().map(|row| row.split(',').next().unwrap().parse().unwrap()).collect()
}

/// All numbers of a safetensors file of f32, which begins with the length of its header.
fn numbers(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// The records of a run's event file, by the lengths that they say they have.
fn events(out: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(out.join("events.out.tfevents")).unwrap();
    let (mut records, mut rest) = (Vec::new(), &bytes[..]);
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        records.push(rest[12..][..length].to_vec());
        rest = &rest[length + 16..];
    }
    records
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

fn page(out: &Path) -> String {
    fs::read_to_string(out.join("index.html")).unwrap()
}

fn checkpoint(out: &Path) -> PathBuf {
    out.join("checkpoint.safetensors")
}
