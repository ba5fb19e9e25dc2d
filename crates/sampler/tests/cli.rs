//! The program as it is used: what it writes, and what it says where it cannot.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use dit::{Config, FlowPath, Variant, Weights};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
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

#[test]
fn draws_what_was_asked_for() {
    let place = Place::new();
    let said = place.draw("--digits 3,1 --count 2 --steps 2 --save-tensor images.safetensors");
    let lines: Vec<_> = said.lines().collect();
    assert!(
        lines[0].starts_with("Sampling on CPU (")
            && lines[0].contains(" with the built-in MNIST weights (1.3 M parameters, 28×28, 10 classes)"),
        "{said}"
    );
    assert!(
        lines[lines.len() - 1].starts_with("Wrote samples.png (4 images, 2 digits × 2; guidance 1.7, 2 steps, "),
        "{said}"
    );

    let picture = image::open(place.path("samples.png")).unwrap();
    let side = 2 * 3 * 28 + 3 * 2;
    assert_eq!((picture.width(), picture.height()), (side, side));

    let file = place.read("images.safetensors");
    let (shape, images) = tensor::<f32>(&file, "images");
    assert_eq!(shape, [4, 1, 28, 28]);
    assert!(images.iter().all(|value| (-1.0..=1.0).contains(value)));
    assert_ne!(images[..28 * 28], images[28 * 28..2 * 28 * 28], "two images of a row differ");
    assert_eq!(tensor::<i64>(&file, "labels"), (vec![4], vec![3, 3, 1, 1]));
    assert!(SafeTensors::deserialize(&file).unwrap().tensor("guidance").is_err());
}

/// Through two steps of a small network the bodies' roundings differ by a few 1e-6; a wrong shader's
/// images differ by tenths.
const DEVICES_AGREE: f32 = 1e-4;

#[test]
fn an_adapter_draws_what_the_cpu_draws() {
    let place = Place::with_good_files(&wavy_weights());
    let flags = "--weights w.safetensors --digits 0-4 --count 2 --steps 2 --no-show --save-tensor images.safetensors";
    place.draw(flags);
    let (_, cpu) = tensor::<f32>(&place.read("images.safetensors"), "images");
    for adapter in devices().iter().filter_map(|device| device.adapter()) {
        // Names may hold spaces and brackets; their first word tells them apart.
        let name = adapter.name.split_whitespace().next().unwrap();
        for more in ["", "--default-limits", "--trusted-shaders"] {
            let output = place.run(&format!("--adapter {name} {more} {flags}"));
            assert!(output.status.success(), "{more}: {}", text(&output.stderr));
            assert!(text(&output.stdout).contains(name), "{}", text(&output.stdout));
            let (_, images) = tensor::<f32>(&place.read("images.safetensors"), "images");
            assert_eq!(images.len(), cpu.len());
            let worst = images.iter().zip(&cpu).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst <= DEVICES_AGREE, "{adapter} {more}: {worst}");
        }
    }
}

#[test]
fn without_flags_it_writes_samples_png_where_it_stands() {
    let place = Place::new();
    let output = place.run("--count 1 --steps 1");
    assert!(output.status.success(), "{}", text(&output.stderr));
    let picture = image::open(place.path("samples.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (3 * 28 + 2 * 2, 10 * 3 * 28 + 11 * 2));
    assert_eq!(place.contents().len(), 1);
}

#[test]
fn a_seed_is_its_images_in_any_batch() {
    let place = Place::new();
    let draw = |seed, batch, name: &str| {
        place.draw(&format!(
            "--digits 0-2 --count 2 --steps 3 --seed {seed} --batch {batch} --out {name}.png --save-tensor {name}"
        ));
        tensor::<f32>(&place.read(name), "images").1
    };
    let images = draw(7, 6, "one");
    draw(7, 6, "same");
    assert!(place.read("one") == place.read("same"), "the same run gives the same numbers, to the byte");
    assert!(place.read("one.png") == place.read("same.png"), "the same run gives the same picture, to the byte");

    let apart = |other: Vec<f32>| images.iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart(draw(7, 4, "batches")) < 1e-4, "another batch gives the same images");
    assert!(apart(draw(8, 6, "other")) > 0.5, "another seed gives others");
}

#[test]
fn several_scales_are_panels_from_the_same_noise() {
    let place = Place::new();
    place.draw("--digits 4,2 --count 3 --steps 2 --guidance 1,2.5 --save-tensor both");
    place.draw("--digits 4,2 --count 3 --steps 2 --guidance 2.5 --save-tensor one --out one.png");
    let (both, one) = (place.read("both"), place.read("one"));

    let (shape, images) = tensor::<f32>(&both, "images");
    assert_eq!(shape, [12, 1, 28, 28]);
    assert_eq!(images[6 * 28 * 28..], tensor::<f32>(&one, "images").1);
    assert_ne!(images[..6 * 28 * 28], images[6 * 28 * 28..]);
    assert_eq!(tensor::<i64>(&both, "labels").1, [4, 4, 4, 2, 2, 2].repeat(2));
    assert_eq!(tensor::<f32>(&both, "guidance"), (vec![12], [[1.0; 6], [2.5; 6]].concat()));

    let size = |name| image::image_dimensions(place.path(name)).unwrap();
    let ((width, height), (one_width, one_height)) = (size("samples.png"), size("one.png"));
    assert!(width > 2 * one_width && height > one_height, "two panels and a line of titles");
}

/// The image at a row and a column of a picture at scale 1, without its frame.
fn tile(picture: &image::DynamicImage, side: u32, row: u32, column: u32) -> image::GrayImage {
    picture.crop_imm(2 + column * (side + 2), 2 + row * (side + 2), side, side).to_luma8()
}

fn png(place: &Place, name: &str) -> image::DynamicImage {
    image::open(place.path(name)).unwrap()
}

#[test]
fn a_grid_takes_digits_in_turn() {
    let place = Place::new();
    let said = place.draw("--digits 3,1,4 --grid 2x4 --steps 1 --scale 1 --save-tensor n");
    assert!(said.contains("(8 images, 2 × 4; guidance 1.7, 1 step, "), "{said}");
    assert_eq!(tensor::<i64>(&place.read("n"), "labels").1, [3, 1, 4, 3, 1, 4, 3, 1]);
    let picture = png(&place, "samples.png");
    assert_eq!((picture.width(), picture.height()), (4 * 30 + 2, 2 * 30 + 2));
    // An image's noise is that of its number, whatever stands beside it.
    place.draw("--digits 3,1,4,3,1,4,3,1 --count 1 --steps 1 --scale 1 --out row.png");
    assert_eq!(tile(&picture, 28, 1, 2), tile(&png(&place, "row.png"), 28, 6, 0));
}

#[test]
fn a_number_is_written_edge_to_edge() {
    let place = Place::new();
    let said = place.draw("--prompt 2026 --count 2 --steps 1 --scale 2 --save-tensor n");
    assert!(said.contains("(8 images, the number 2026; "), "{said}");
    assert_eq!(tensor::<i64>(&place.read("n"), "labels").1, [2, 0, 2, 6, 2, 0, 2, 6]);
    let picture = png(&place, "samples.png");
    assert_eq!((picture.width(), picture.height()), (4 * 2 * 28, 2 * 2 * 28));
}

#[test]
fn an_interpolation_between_digits_ends_in_both() {
    let place = Place::new();
    let flags = "--steps 2 --scale 1 --batch 5 --seed 4";
    let said = place.draw(&format!("--interpolate 3..8 --grid 2x5 {flags}"));
    assert!(said.contains("(10 images, from 3 to 8 in 5; "), "{said}");
    let between = png(&place, "samples.png");
    let row: Vec<_> = (0..5).map(|column| tile(&between, 28, 0, column)).collect();
    assert!((1..5).all(|column| row[column] != row[column - 1]), "each image differs from the one before");
    // Rows begin as the noises of numbers 0 and 1, which columns of the digits' own sheets do too.
    for (column, digit) in [(0, 3), (4, 8)] {
        place.draw(&format!("--digits {digit} --count 2 --out end.png {flags}"));
        for number in [0, 1] {
            let end = tile(&png(&place, "end.png"), 28, 0, number);
            let apart =
                tile(&between, 28, number, column).pixels().zip(end.pixels()).map(|(a, b)| a[0].abs_diff(b[0])).max();
            assert!(apart <= Some(1), "digit {digit}, row {number}: {apart:?} of 255");
        }
    }
}

#[test]
fn an_interpolation_between_seeds_ends_in_both() {
    let place = Place::new();
    let flags = "--digits 6,7 --steps 2 --scale 1";
    place.draw(&format!("--interpolate seeds=1..5 --count 3 {flags}"));
    let between = png(&place, "samples.png");
    assert_eq!((between.width(), between.height()), (3 * 30 + 2, 2 * 30 + 2));
    for (column, seed) in [(0, 1), (2, 5)] {
        // A row's noise is that of the row's number.
        place.draw(&format!("--seed {seed} --count 1 --out end.png {flags}"));
        for row in [0, 1] {
            let end = tile(&png(&place, "end.png"), 28, row, 0);
            let apart =
                tile(&between, 28, row, column).pixels().zip(end.pixels()).map(|(a, b)| a[0].abs_diff(b[0])).max();
            assert!(apart <= Some(1), "seed {seed}, row {row}: {apart:?} of 255");
        }
    }
    assert_ne!(tile(&between, 28, 0, 1), tile(&between, 28, 0, 0));
    assert_ne!(tile(&between, 28, 0, 1), tile(&between, 28, 0, 2));
}

#[test]
fn compared_values_are_panels() {
    let place = Place::new();
    let said = place.draw("--digits 4 --count 2 --compare steps=1,3 --save-tensor both --folder each");
    assert!(said.contains("(4 images, 1 digit × 2; guidance 1.7, steps 1,3, "), "{said}");
    place.draw("--digits 4 --count 2 --steps 3 --save-tensor one --out one.png");
    let (both, one) = (place.read("both"), place.read("one"));
    let images = tensor::<f32>(&both, "images").1;
    assert_eq!(images[2 * 28 * 28..], tensor::<f32>(&one, "images").1);
    assert_ne!(images[..2 * 28 * 28], images[2 * 28 * 28..]);
    assert_eq!(tensor::<i64>(&both, "panel").1, [0, 0, 1, 1]);
    let size = |name| image::image_dimensions(place.path(name)).unwrap();
    assert!(size("samples.png").0 > 2 * size("one.png").0 && size("samples.png").1 > size("one.png").1);
    for name in ["each/steps-1/4/00001.png", "each/steps-3/4/00000.png"] {
        assert_eq!(size(name), (28, 28), "{name}");
    }

    place.draw("--digits 1 --count 1 --steps 1 --compare guidance=-1,0,2.5");
    place.draw("--digits 1 --count 1 --steps 1 --compare solver=euler,midpoint,heun,rk4 --out solvers.png");
    place.draw("--digits 1 --count 1 --steps 1 --compare guidance-interval=0..1,0.1..0.9 --out intervals.png");
    place.draw("--digits 1 --count 1 --steps 1 --compare seed=1,2 --out seeds.png");
}

#[test]
fn each_image_has_a_file_in_the_folder_of_its_digit() {
    let place = Place::new();
    place.write("w.safetensors", &wavy_weights());
    fs::create_dir(place.path("each")).unwrap();
    let flags = "--weights w.safetensors --steps 1 --scale 1";
    place.draw(&format!("{flags} --digits 4,0 --count 2 --folder each"));
    let sheet = png(&place, "samples.png");
    for (name, row, column) in [("4/00000", 0, 0), ("4/00001", 0, 1), ("0/00002", 1, 0), ("0/00003", 1, 1)] {
        let image = png(&place, &format!("each/{name}.png"));
        assert_eq!(image.to_luma8(), tile(&sheet, 8, row, column), "{name}");
        assert!(image.as_rgb8().is_some(), "in colour");
    }
    assert_eq!(fs::read_dir(place.path("each")).unwrap().count(), 2);
    place.draw(&format!("{flags} --interpolate 1..2 --grid 2x3 --folder rows"));
    assert!(place.path("rows/1/00005.png").exists() && !place.path("rows/0/00003.png").exists());
}

#[test]
fn the_way_is_an_animation_or_a_strip() {
    let place = Place::with_good_files(&wavy_weights());
    let before = place.read("samples.png");
    let said = place.draw("--digits 3 --steps 10 --trajectory a.gif --scale 1");
    assert!(said.contains("Wrote a.gif (11 moments of 1 image, 1 digit × 1; guidance 1.7, 10 steps, "), "{said}");
    assert!(said.lines().count() == 2 && place.read("samples.png") == before, "nothing else is drawn");
    let decoder = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(place.read("a.gif"))).unwrap();
    let frames = image::AnimationDecoder::into_frames(decoder).collect_frames().unwrap();
    assert_eq!(frames.len(), 11);
    // At the end the image is what it seemed to become; the titles are 10 pixels high, the panels wider than an image.
    let (last, first) = (frames[10].buffer(), frames[0].buffer());
    let panel = |frame: &image::RgbaImage, left: u32| image::imageops::crop_imm(frame, left, 14, 28, 28).to_image();
    let second = first.width() - (9 * 6 + 4) + 2;
    assert_eq!(panel(last, 2), panel(last, second));
    assert_ne!(panel(first, 2), panel(first, second));

    let said = place.draw("--weights w.safetensors --digits 0,1 --steps 3 --trajectory b.png --scale 1");
    assert!(said.contains("Wrote b.png (4 moments of 2 images, "), "{said}");
    // Two rows for each of two images of 8 pixels; columns as wide as captions of four letters.
    let strip = png(&place, "b.png");
    assert_eq!((strip.width(), strip.height()), (3 * 6 + 4 * 2 + 4 * (4 * 6 + 2), 2 + 4 * (8 + 2) + 10 + 2));
    assert!(strip.as_rgb8().is_some());

    for flags in [
        "--prompt 20 --trajectory c.gif",
        "--interpolate 1..2 --grid 1x3 --trajectory c.gif",
        "--solver rk4 --trajectory c.png",
    ] {
        place.draw(&format!("{flags} --steps 2 --scale 1"));
    }
}

#[test]
fn an_interpolation_may_be_an_animation_there_and_back() {
    let place = Place::new();
    place.draw("--interpolate seeds=1..2 --digits 3,4 --count 4 --steps 1 --scale 1 --out a.gif");
    let decoder = image::codecs::gif::GifDecoder::new(std::io::Cursor::new(place.read("a.gif"))).unwrap();
    let frames = image::AnimationDecoder::into_frames(decoder).collect_frames().unwrap();
    assert_eq!(frames[0].buffer().dimensions(), (2 * 30 + 2, 30 + 2));
    let frames: Vec<_> = frames.iter().map(|frame| frame.buffer()).collect();
    assert_eq!(frames.len(), 6, "four there, two back");
    assert!(frames[4] == frames[2] && frames[5] == frames[1] && frames[3] != frames[0]);
    let flags = "--steps 1 --scale 1 --interpolate seeds=1..2 --digits 3,4";
    for count in [2, 3] {
        place.draw(&format!("{flags} --count {count} --out b.gif"));
    }
}

#[test]
fn a_picture_is_drawn_again_from_its_own_file() {
    let place = Place::new();
    place.write("w.safetensors", &wavy_weights());
    for (name, flags) in [
        (
            "sheet",
            "--digits 3,1 --count 2 --guidance 1,-2.5 --guidance-interval 0.25..1 --solver heun --seed 7 --scale 2",
        ),
        ("grid", "--grid 2x3 --batch 4"),
        ("prompt", "--prompt 42"),
        ("digits", "--interpolate 4..0 --grid 1x3"),
        ("seeds", "--interpolate seeds=3..4 --digits 2 --count 2"),
        ("compare", "--compare steps=1,2 --digits 1 --count 1"),
        ("weights", "--weights w.safetensors --digits 1-3 --count 1"),
    ] {
        let (first, again) = (format!("{name}.png"), format!("{name}-again.png"));
        place.draw(&format!("{flags} --steps 2 --out {first} --no-show"));
        let weights = if name == "weights" { "--weights w.safetensors" } else { "" };
        place.draw(&format!("--like {first} --out {again} {weights}"));
        assert!(place.read(&first) == place.read(&again), "{name}: the same, byte for byte");
    }

    place.draw("--like sheet.png --out other.png --seed 8 --guidance 1");
    place.draw("--digits 3,1 --count 2 --guidance-interval 0.25..1 --solver heun --scale 2 --steps 2 --seed 8 --guidance 1 --out by-hand.png");
    assert!(place.read("other.png") == place.read("by-hand.png"), "flags beside it win");
    let said = place.draw("--like prompt.png --digits 5 --count 1 --out five.png");
    assert!(said.contains("(1 image, 1 digit × 1; guidance 1.7, 2 steps, "), "{said}");

    let said = place.draw("--like sheet.png --weights w.safetensors --out w.png");
    assert!(
        said.contains("sheet.png was drawn with other weights, the built-in MNIST weights, whose SHA-256 begins "),
        "{said}"
    );

    place.draw("--trajectory way.png --digits 3 --steps 2 --scale 1");
    place.draw("--like way.png --trajectory way-again.png");
    assert!(place.read("way.png") == place.read("way-again.png"));
    place.refuse("--like way.png", 2, &["--like", "--trajectory"]);
    place.refuse("--like weights.png --out a.png", 1, &["--like", "weights.png", "w.safetensors", "--weights"]);
    place.refuse("--like sheet.png --out sheet.png", 2, &["--like", "--out", "sheet.png"]);
    place.refuse("--like sheet.png --digits 12", 2, &["--digits", "12", "0-9"]);
}

#[test]
fn a_picture_that_does_not_say_how_it_was_drawn_is_refused() {
    let place = Place::with_good_files(&wavy_weights());
    place.draw("--digits 3 --count 1 --steps 1 --out good.png");
    let good = place.read("good.png");
    place.write("half.png", &good[..good.len() / 2]);
    let foreign = image::DynamicImage::new_luma8(9, 9);
    programs::save_png(place.path("foreign.png"), &foreign).unwrap();
    let note = |settings: serde_json::Value| {
        let weights = serde_json::json!({ "name": "x", "sha256": "é" });
        serde_json::json!({
            "program": "sampler 9.0.0", "weights": weights, "device": "", "shows": "images", "settings": settings
        })
        .to_string()
    };
    for (name, note) in [
        ("strange.png", "nothing of the kind".to_owned()),
        ("later.png", serde_json::json!({ "program": "sampler 9.0.0" }).to_string()),
        ("nonsense.png", note(serde_json::json!({ "steps": "-1" }))),
        ("unknown.png", note(serde_json::json!({ "sparkle": "1" }))),
        ("stranger.png", note(serde_json::json!({ "steps": "1" }))),
    ] {
        programs::save_png_with_note(place.path(name), &foreign, "sampler", &note).unwrap();
    }
    for (name, words) in [
        ("none.png", &["none.png", "cannot read"][..]),
        ("w.safetensors", &["w.safetensors", "no complete PNG"]),
        ("half.png", &["half.png", "no complete PNG"]),
        ("foreign.png", &["foreign.png", "no note", "another program"]),
        ("strange.png", &["strange.png", "version"]),
        ("later.png", &["later.png", "version"]),
        ("nonsense.png", &["nonsense.png", "cannot be used", "--steps"]),
        ("unknown.png", &["unknown.png", "cannot be used", "--sparkle"]),
        ("stranger.png", &["stranger.png", "other weights", "--weights"]),
        (".", &["cannot read"]),
    ] {
        place.refuse(&format!("--device cpu --like {name}"), 1, &[&["--like"], words].concat());
    }
}

#[test]
fn other_weights_have_their_own_size_colour_and_classes() {
    let place = Place::new();
    place.write("w.safetensors", &wavy_weights());
    let said =
        place.draw("--weights w.safetensors --count 1 --steps 2 --scale 1 --no-show --save-tensor images.safetensors");
    assert!(said.contains(" with w.safetensors (10.3 k parameters, 8×8, 3 channels, 5 classes)\n"), "{said}");
    let picture = image::open(place.path("samples.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (8 + 2 * 2, 5 * 8 + 6 * 2));
    assert!(picture.as_rgb8().is_some());
    let file = place.read("images.safetensors");
    assert_eq!(tensor::<f32>(&file, "images").0, [5, 3, 8, 8]);
    assert_eq!(tensor::<i64>(&file, "labels").1, [0, 1, 2, 3, 4]);
}

#[test]
fn the_devices_are_listed_and_nothing_is_drawn() {
    let place = Place::new();
    let output = place.run("--list-devices");
    assert!(output.status.success());
    assert!(text(&output.stdout).lines().any(|line| line.starts_with("CPU (")));
    assert!(place.contents().is_empty());
}

#[test]
fn completions_and_the_manual_page_name_every_flag() {
    let place = Place::new();
    let printed = |flags: &str| {
        let output = place.run(flags);
        assert!(output.status.success(), "{flags}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    let help = printed("--help");
    let flags: Vec<_> = help
        .split_whitespace()
        .filter(|word| word.starts_with("--") && word[2..].starts_with(char::is_lowercase))
        .collect();
    assert!(flags.contains(&"--guidance-interval") && flags.contains(&"--trace"), "{flags:?}");
    let flag = |word: &str| {
        word.trim_start_matches('-').split(|c: char| !c.is_alphanumeric() && c != '-').next().unwrap().to_owned()
    };
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = printed(&format!("--completions {shell}"));
        for name in flags.iter().map(|word| flag(word)) {
            assert!(script.contains(&name), "{shell} does not know --{name}");
        }
    }
    // Dashes are escaped in roff.
    let page = printed("--man").replace("\\-", "-");
    assert!(page.contains(".TH sampler 1") && page.contains("--guidance-interval"), "{page}");
    assert!(place.contents().is_empty());
    place.refuse("--completions tcl", 2, &["--completions", "tcl"]);
    place.refuse("--man --count 3", 2, &["--man"]);
}

#[test]
fn flags_that_cannot_be_meant_are_refused() {
    let place = Place::with_good_files(&wavy_weights());
    let cases: [(&str, &[&str]); 46] = [
        ("--digits 12", &["--digits", "12", "0-9"]),
        ("--digits 3,5 --weights w.safetensors", &["--digits", "5", "0-4"]),
        ("--digits ''", &["--digits"]),
        ("--digits three", &["--digits", "three", "3,1,4"]),
        ("--digits 9-0", &["--digits", "9-0", "0-9"]),
        ("--guidance nan", &["--guidance", "nan"]),
        ("--guidance inf", &["--guidance", "inf"]),
        ("--guidance ''", &["--guidance"]),
        ("--guidance 1,,3", &["--guidance", "1,3,5"]),
        ("--guidance-interval 0.9..0.1", &["--guidance-interval", "0.1..0.9"]),
        ("--solver dopri", &["--solver", "midpoint"]),
        ("--steps 0", &["--steps", "0", "1..=10000"]),
        ("--steps 10001", &["--steps", "10001"]),
        ("--count 0", &["--count", "0"]),
        ("--count -1", &["-1"]),
        ("--count 10000 --guidance 1,3", &["200000 images", "--count"]),
        ("--batch 0", &["--batch", "0"]),
        ("--scale 0", &["--scale", "0"]),
        ("--seed x", &["--seed", "x"]),
        ("--device tpu", &["--device", "tpu"]),
        ("--out same.png --save-tensor same.png", &["--out", "--save-tensor", "same.png"]),
        ("--nonsense", &["--nonsense"]),
        ("--prompt 20a6", &["--prompt", "`a`", "2026"]),
        ("--prompt ''", &["--prompt", "2026"]),
        ("--prompt 9 --weights w.safetensors", &["--prompt", "9", "0-4"]),
        ("--prompt 12 --digits 3", &["--prompt", "--digits"]),
        ("--grid 4", &["--grid", "4x6"]),
        ("--grid 0x3", &["--grid", "4x6"]),
        ("--grid 1000x1000", &["1000000 images", "--grid"]),
        ("--grid 2x2 --count 3", &["--grid", "--count"]),
        ("--interpolate 3", &["--interpolate", "3..8"]),
        ("--interpolate cat..dog", &["--interpolate", "3..8"]),
        ("--interpolate 3..12", &["--interpolate", "12", "0-9"]),
        ("--interpolate 3..3", &["--interpolate", "nothing in between"]),
        ("--interpolate 3..8 --digits 1", &["--interpolate", "--digits"]),
        ("--interpolate 3..8 --count 1", &["--interpolate", "at least 2"]),
        ("--compare batch=1,2", &["--compare", "solver", "steps"]),
        ("--compare steps=5,many", &["--steps", "many"]),
        ("--out a.gif", &["--out", ".png", "--interpolate"]),
        ("--out a.jpg", &["--out", "a.jpg does not end in .png"]),
        ("--out samples", &["--out", "samples does not end in .png"]),
        ("--out a.gif --interpolate 1..2 --compare seed=1,2", &["--out", ".png"]),
        ("--trajectory a.jpg", &["--trajectory", ".gif", ".png"]),
        ("--trajectory a.gif --guidance 1,3", &["--trajectory", "--guidance"]),
        ("--trajectory a.gif --count 11", &["--trajectory", "100", "110"]),
        ("--trajectory w.safetensors.png --out b.png", &["--trajectory", "--out"]),
    ];
    for (flags, words) in cases {
        place.refuse(flags, 2, words);
    }
}

#[test]
fn weights_that_are_none_are_refused() {
    let good = wavy_weights();
    let mut not_a_number = good.clone();
    let last = not_a_number.len() - 4;
    not_a_number[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    let mut endless_header = good.clone();
    endless_header[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    let no_configuration = edited(&good, "\"config\"", "\"gifnoc\"");
    let cases: [(&str, &[u8], &[&str]); 10] = [
        ("empty", b"", &["is no complete safetensors file"]),
        (
            "garbage",
            b"These are no weights, but a letter to whom it may concern.",
            &["is no complete safetensors file"],
        ),
        ("truncated", &good[..good.len() / 2], &["is no complete safetensors file"]),
        ("a corrupt header", &edited(&good, "\"F32\"", "\"F33\""), &["is no complete safetensors file"]),
        ("an endless header", &endless_header, &["is no complete safetensors file"]),
        ("no configuration", &no_configuration, &["does not say what model it holds"]),
        (
            "another width",
            &edited(&good, "width\\\":16", "width\\\":32"),
            &["x_embedder.proj.weight", "[16, 3, 2, 2]", "[32, 3, 2, 2]"],
        ),
        ("another side", &edited(&good, "side\\\":8", "side\\\":6"), &["pos_embed", "[1, 16, 16]", "[1, 9, 16]"]),
        ("no model", &edited(&good, "patch\\\":2", "patch\\\":3"), &["side of 8 is no multiple of the patch, 3"]),
        ("not a number", &not_a_number, &["NaN"]),
    ];
    for (what, bytes, words) in cases {
        let place = Place::with_good_files(bytes);
        println!("{what}");
        place.refuse("--weights w.safetensors", 1, &[&["w.safetensors"], words].concat());
    }

    let place = Place::with_good_files(&good);
    place.refuse("--weights none.safetensors", 1, &["cannot read --weights none.safetensors", "No such file"]);
    place.refuse("--weights .", 1, &["cannot read --weights .: "]);
    // As the trainer names what it resumes a run with.
    let value = 1_f32.to_le_bytes();
    let moment = TensorView::new(Dtype::F32, vec![1], &value).unwrap();
    place.write("checkpoint.safetensors", &serialize([("first_moment/pos", moment)], None).unwrap());
    let words = ["checkpoint.safetensors is a checkpoint", "take weights.safetensors from the same folder"];
    place.refuse("--weights checkpoint.safetensors", 1, &words);
}

#[test]
fn images_that_are_no_numbers_are_not_written() {
    let place = Place::with_good_files(&weights(|_| 1e30));
    place.refuse(
        "--device cpu --weights w.safetensors --steps 2 --save-tensor images.safetensors",
        1,
        &["no finite numbers", "--guidance"],
    );
}

#[test]
fn devices_that_do_not_exist_are_refused() {
    let place = Place::with_good_files(&[]);
    place.refuse("--adapter nosuch", 1, &["no adapter", "nosuch", "--list-devices", "--device cpu"]);
    place.refuse("--device cpu --adapter nosuch", 2, &["--adapter"]);
}

#[test]
fn places_that_cannot_be_written_are_refused_before_the_work() {
    let place = Place::with_good_files(&[]);
    fs::create_dir(place.path("directory")).unwrap();
    fs::create_dir(place.path("directory.png")).unwrap();
    fs::create_dir_all(place.path("directory.full/0")).unwrap();
    // So many steps would take an hour.
    for (flags, words) in [
        ("--out none/a.png", ["--out", "none/a.png", "does not exist"]),
        ("--out directory.png", ["--out", "'directory.png'", "is a directory"]),
        ("--out samples.png/a.png", ["--out", "samples.png/a.png", "does not exist"]),
        ("--save-tensor none/a.safetensors", ["--save-tensor", "none/a.safetensors", "does not exist"]),
        ("--save-tensor directory", ["--save-tensor", "'directory'", "is a directory"]),
        ("--count 10000 --scale 64", ["pixels is too large", "fewer images", "smaller scale"]),
        ("--grid 300x300 --scale 64", ["pixels is too large", "fewer images", "smaller scale"]),
        ("--trajectory none/a.gif", ["--trajectory", "none/a.gif", "does not exist"]),
        ("--trajectory directory/../none/a.png", ["--trajectory", "none/a.png", "does not exist"]),
        ("--trajectory a.gif --scale 64", ["pixels is too large", "fewer images", "smaller scale"]),
        ("--folder directory.full", ["--folder", "directory.full", "empty it"]),
        ("--folder samples.png", ["--folder", "samples.png", "empty it"]),
        ("--folder none/a", ["--folder", "none/a", "does not exist"]),
    ] {
        place.refuse(&format!("--device cpu --steps 10000 {flags}"), 1, &words);
    }
}

/// A limit on the size of files stands for the full disk: writing fails in the middle.
#[test]
#[cfg(unix)]
fn a_disk_that_takes_no_more_leaves_the_good_files() {
    for (flags, flag) in [("", "--out"), ("--save-tensor images.safetensors", "--save-tensor")] {
        let place = Place::with_good_files(&[]);
        let before = place.contents();
        let output = Command::new("sh")
            .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_sampler")])
            .args("--device cpu --steps 1".split(' ').chain(flags.split_whitespace()))
            .current_dir(place.0.path())
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with(&format!("error: {flag}: cannot write ")) && said.lines().count() == 1, "{said}");
        assert!(place.contents() == before, "files have changed");
    }
}

#[test]
fn a_trace_has_kernels_and_what_the_host_did() {
    for device in devices() {
        let place = Place::new();
        place.write("w.safetensors", &wavy_weights());
        let (flags, name) = match device.adapter() {
            Some(adapter) => (format!("--adapter {}", adapter.name.split(' ').next().unwrap()), "adapter"),
            None => ("--device cpu".to_owned(), "CPU"),
        };
        let output = place.run(&format!("{flags} --weights w.safetensors --count 1 --steps 2 --trace t.json"));
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
        let trace: serde_json::Value = serde_json::from_slice(&place.read("t.json")).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let track = |track: u32| events.iter().filter(move |event| event["ph"] == "X" && event["tid"] == track);
        let is_attention = |event: &serde_json::Value| event["name"].as_str().unwrap().starts_with("attention");
        assert!(track(2).any(is_attention), "{name}: no kernel is attention");
        assert!(track(1).any(|event| event["name"] == "read"), "{name}: nothing was read");
        let sum: f64 = track(2).map(|event| event["dur"].as_f64().unwrap()).sum();
        let ends = events.iter().filter_map(|event| Some(event["ts"].as_f64()? + event["dur"].as_f64()?));
        assert!(sum > 0.0 && sum <= ends.fold(0.0, f64::max), "{name}: kernels take longer than all");
    }
}
