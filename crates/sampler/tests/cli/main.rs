//! The program as it is used: what it writes, and what it says where it cannot.
#![allow(clippy::unwrap_used)]

mod again;
mod arrangements;
mod drawing;
mod refusals;

use dit::{Config, FlowPath, Variant, Weights};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use tempfile::TempDir;
use tests::harness::devices;

/// A model in miniature, with colour.
const CONFIG: Config = Config {
    side: 8,
    channels: 3,
    patch: 2,
    width: 16,
    depth: 1,
    heads: 2,
    classes: 5,
    time_scale: 1000.0,
    path: FlowPath::CondOt,
    variant: Variant::DIT,
};

/// A directory that the program runs in.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    /// A place with files that a failure must leave as they are, and weights in `w.safetensors`.
    fn with_good_files(weights: &[u8]) -> Self {
        let place = Self::new();
        place.write("samples.png", b"a good picture");
        place.write("images.safetensors", b"good numbers");
        place.write("w.safetensors", weights);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// Every file and what is in it; nothing for a directory.
    fn contents(&self) -> Vec<(PathBuf, Option<Vec<u8>>)> {
        let paths = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path());
        let mut contents: Vec<_> = paths.map(|path| (path.clone(), fs::read(path).ok())).collect();
        contents.sort();
        contents
    }

    fn run(&self, flags: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sampler"));
        command.current_dir(self.0.path()).env_remove("RUST_BACKTRACE");
        command.args(flags.split_whitespace().map(|flag| if flag == "''" { "" } else { flag }));
        command.output().unwrap()
    }

    /// Runs the program on the CPU, and gives what it printed.
    fn draw(&self, flags: &str) -> String {
        let output = self.run(&format!("--device cpu {flags}"));
        assert!(output.status.success(), "{flags}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Runs the program, which must fail with `status` and one sentence that has the `words`, and change nothing.
    fn refuse(&self, flags: &str, status: i32, words: &[&str]) {
        let before = self.contents();
        let output = self.run(flags);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{flags}: {said}");
        // A driver's library may have spoken before, and after a complaint about flags clap points to --help.
        let sentences: Vec<_> =
            said.lines().filter(|line| line.starts_with("error: ") && !line.contains("XDG_RUNTIME_DIR")).collect();
        assert_eq!(sentences.len(), 1, "{flags}: {said}");
        for word in words {
            assert!(sentences[0].contains(word), "{flags}: no `{word}` in: {said}");
        }
        assert!(!said.contains("panicked") && !said.contains("RUST_BACKTRACE"), "{flags}: {said}");
        assert!(self.contents() == before, "{flags}: files have changed");
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Weights in miniature, each of every parameter's elements by its place.
fn weights(value: impl Fn(usize) -> f32) -> Vec<u8> {
    let values =
        CONFIG.parameters().iter().map(|spec| (0..spec.shape.iter().product()).map(&value).collect()).collect();
    let positions = vec![0.0; CONFIG.tokens() * CONFIG.width];
    Weights { config: CONFIG, values, positions }.to_bytes().unwrap()
}

/// Weights that are like trained ones in that everything has a part in the image.
fn wavy_weights() -> Vec<u8> {
    weights(|index| 0.2 * (1.3 * index as f32).sin())
}

/// The file with `from` in its header, which is text, replaced by `to` of the same length.
fn edited(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
    let mut bytes = bytes.to_vec();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

/// Shape and elements of a tensor in a file.
fn tensor<T: bytemuck::AnyBitPattern>(bytes: &[u8], name: &str) -> (Vec<usize>, Vec<T>) {
    let tensors = SafeTensors::deserialize(bytes).unwrap();
    let tensor = tensors.tensor(name).unwrap();
    (tensor.shape().to_vec(), tensor.data().chunks_exact(size_of::<T>()).map(bytemuck::pod_read_unaligned).collect())
}

fn png(place: &Place, name: &str) -> image::DynamicImage {
    image::open(place.path(name)).unwrap()
}
