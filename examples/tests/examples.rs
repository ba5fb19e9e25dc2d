//! The examples from end to end, and the documents that lean on them.
#![allow(clippy::panic, clippy::unwrap_used)] // a test fails by panicking

use std::collections::BTreeSet;
use std::env::{consts::EXE_SUFFIX, current_exe};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use image::RgbImage;

/// A file of the repository.
fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// Runs an example, which `cargo test` has built beside this test.
fn run(example: &str, arguments: &[&Path]) -> Output {
    let beside = current_exe().unwrap();
    let folder = beside.parent().unwrap().parent().unwrap().join("examples");
    let program = folder.join(format!("{example}{EXE_SUFFIX}"));
    assert!(program.exists(), "{} is missing: cargo build -p examples --examples", program.display());
    Command::new(program).args(arguments).output().unwrap()
}

fn succeeds(output: &Output) -> String {
    let (said, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {said}{error}", output.status);
    said.into_owned()
}

fn picture(path: &Path) -> RgbImage {
    image::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into_rgb8()
}

/// The names of the PNG files in a folder.
fn pictures(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".png")).collect()
}

#[test]
fn sample_draws_ten_digits() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("digits.png");
    let said = succeeds(&run("sample", &[&root("weights/mnist.safetensors"), &out]));
    assert!(said.contains("digits.png, drawn on "), "{said}");
    let sheet = picture(&out);
    assert_eq!(sheet.dimensions(), (5 * 86 + 2, 2 * 86 + 2));
    // Each digit has a stroke of white, and more black than white.
    for digit in 0..10 {
        let (left, top) = (2 + digit % 5 * 86, 2 + digit / 5 * 86);
        let pixels = || (top..top + 84).flat_map(|y| (left..left + 84).map(move |x| (x, y)));
        let [black, white] = [0..64, 192..256].map(|range| {
            pixels().filter(|(x, y)| range.contains(&u32::from(sheet.get_pixel(*x, *y)[0]))).count() as f64
                / 84.0
                / 84.0
        });
        assert!(black > 0.5 && white > 0.02, "digit {digit}: {black:.3} black, {white:.3} white");
    }
}

#[test]
fn sample_says_what_is_wrong_with_its_weights() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("digits.png");
    let output = run("sample", &[&folder.path().join("none.safetensors"), &out]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("cannot read the weights") && error.contains("none.safetensors"), "{error}");
    assert!(!out.exists());
}

#[test]
fn training_on_an_array_learns_and_draws() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("shapes.png");
    let said = succeeds(&run("train_on_your_array", &[&out, Path::new("200")]));
    let losses: Vec<f32> =
        said.lines().filter_map(|line| line.split_once("loss ")).map(|(_, loss)| loss.parse().unwrap()).collect();
    // The first fifty steps still have the loss of noise alone, near 1.
    assert!(losses.len() == 4 && losses[3] < 0.4 * losses[0], "{losses:?}");
    let (sheet, tile) = (picture(&out), 12 * 3 + 2);
    assert_eq!(sheet.dimensions(), (4 * (4 * tile + 2) + 3 * 8, 4 * tile + 2 + 12));
    assert!(sheet.pixels().any(|pixel| pixel[0] != pixel[2]), "shapes have colours");
    let weights = dit::Weights::load(out.with_extension("safetensors")).unwrap();
    assert_eq!((weights.config.side, weights.config.classes), (12, 4));
}

/// The program refuses by itself what differs from the network, from sampling and from training.
#[test]
fn the_pictures_of_the_tour_are_what_the_program_draws() {
    const AGAIN: &str = "draw them again: cargo run -p examples --example tour -- docs/images/tour";
    let folder = tempfile::tempdir().unwrap();
    succeeds(&run("tour", &[folder.path()]));
    let committed = root("docs/images/tour");
    assert_eq!(pictures(folder.path()), pictures(&committed), "{AGAIN}");
    for name in pictures(&committed) {
        let [new, old] = [folder.path(), &committed].map(|folder| picture(&folder.join(&name)));
        assert_eq!(new.dimensions(), old.dimensions(), "{name}: {AGAIN}");
        let differences = new.as_raw().iter().zip(old.as_raw()).map(|(new, old)| f64::from(new.abs_diff(*old)));
        let mean = differences.sum::<f64>() / new.as_raw().len() as f64;
        // Other processors round otherwise, which moves a few numbers to the next colour.
        assert!(mean < 2.0, "{name} differs by {mean:.2} of 255: {AGAIN}");
        let bytes = fs::metadata(committed.join(&name)).unwrap().len();
        assert!(bytes < 100_000, "{name} has {bytes} bytes");
    }
}

#[test]
fn the_tour_passes_every_kernel() {
    let tour = fs::read_to_string(root("docs/tour.md")).unwrap();
    let names = kernels::REGISTRY.iter().map(|kernel| kernel.name);
    let missing: Vec<&str> = names.filter(|name| !tour.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/tour.md does not name {missing:?}");
}

#[test]
fn the_tour_shows_every_picture() {
    let tour = fs::read_to_string(root("docs/tour.md")).unwrap();
    for name in pictures(&root("docs/images/tour")) {
        assert!(tour.contains(&format!("](images/tour/{name})")), "docs/tour.md does not show {name}");
    }
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    for document in ["docs/tour.md", "docs/kernel.md"] {
        let text = fs::read_to_string(root(document)).unwrap();
        let targets = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let local: Vec<&str> =
            targets.filter(|target| !target.starts_with("http") && !target.starts_with('#')).collect();
        assert!(!local.is_empty(), "{document} has no links");
        for target in local {
            assert!(root("docs").join(target).exists(), "{document}: {target} does not exist");
        }
    }
}

/// What docs/kernel.md quotes is what the example says.
#[test]
fn the_kernel_document_quotes_the_example() {
    let document = fs::read_to_string(root("docs/kernel.md")).unwrap();
    let sources = ["examples/own_kernel/main.rs", "examples/own_kernel/rms_norm.wgsl"]
        .map(|path| fs::read_to_string(root(path)).unwrap());
    let blocks: Vec<&str> = document.split("```").skip(1).step_by(2).collect();
    let code = blocks.iter().filter_map(|block| {
        let (language, code) = block.split_once('\n').unwrap();
        matches!(language, "rust" | "wgsl").then_some(code)
    });
    let code: Vec<&str> = code.collect();
    assert!(code.len() > 5, "docs/kernel.md quotes {} pieces of code", code.len());
    for code in code {
        assert!(sources.iter().any(|source| source.contains(code)), "not in the example any more:\n{code}");
    }
}
