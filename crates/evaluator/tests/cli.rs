//! The program as it is used: what it writes, and what it says where it cannot.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView, serialize};
use tempfile::TempDir;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/goldens/dit.safetensors");

/// A directory that the program runs in.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, flags: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_evaluator"));
        command.current_dir(self.0.path()).env_remove("RUST_BACKTRACE");
        command.args(flags.split_whitespace()).output().unwrap()
    }

    fn works(&self, flags: &str) -> String {
        let output = self.run(flags);
        assert!(output.status.success(), "{flags}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs the program, which must fail with one sentence that has the words.
    fn refuses(&self, flags: &str, words: &[&str]) {
        let output = self.run(flags);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{flags} works");
        let sentences: Vec<_> =
            said.lines().filter(|line| line.starts_with("error: ") && !line.contains("XDG_RUNTIME_DIR")).collect();
        assert_eq!(sentences.len(), 1, "{flags}: {said}");
        words.iter().for_each(|word| assert!(said.contains(word), "{flags}: no `{word}` in: {said}"));
        assert!(!said.contains("panicked"), "{flags}: {said}");
    }

    fn samples(&self, name: &str, images: &[f32], labels: &[i64]) {
        let shape = vec![labels.len(), 1, 28, 28];
        let images = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(images)).unwrap();
        let labels = TensorView::new(Dtype::I64, vec![labels.len()], bytemuck::cast_slice(labels)).unwrap();
        let file = serialize([("images", images), ("labels", labels)], None).unwrap();
        fs::write(self.path(name), file).unwrap();
    }
}

fn floats(path: &Path, name: &str) -> (Vec<usize>, Vec<f32>) {
    let bytes = fs::read(path).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let view = tensors.tensor(name).unwrap();
    (view.shape().to_vec(), bytemuck::pod_collect_to_vec(view.data()))
}

#[test]
fn velocities_are_pytorchs() {
    let place = Place::new();
    let golden = Path::new(GOLDEN);
    let ((shape, x), (_, t), (_, y)) =
        (floats(golden, "input/x"), floats(golden, "input/t"), floats(golden, "input/y"));
    let y: Vec<i64> = y.iter().map(|y| *y as i64).collect();
    let inputs = HashMap::from([
        ("x", TensorView::new(Dtype::F32, shape.clone(), bytemuck::cast_slice(&x)).unwrap()),
        ("t", TensorView::new(Dtype::F32, vec![t.len()], bytemuck::cast_slice(&t)).unwrap()),
        ("y", TensorView::new(Dtype::I64, vec![y.len()], bytemuck::cast_slice(&y)).unwrap()),
    ]);
    fs::write(place.path("in.safetensors"), serialize(inputs, None).unwrap()).unwrap();
    place.works(&format!("velocity --device cpu --weights {GOLDEN} --inputs in.safetensors --out v.safetensors"));
    let (found_shape, found) = floats(&place.path("v.safetensors"), "v");
    let ((_, wanted), (_, threshold)) = (floats(golden, "velocity"), floats(golden, "threshold/velocity"));
    assert_eq!(found_shape, shape);
    let worst = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= threshold[0], "{worst} is more than {}", threshold[0]);
    let flags = "velocity --weights";
    place.refuses(&format!("{flags} {GOLDEN} --inputs none --out v.safetensors"), &["cannot read none"]);
    place.refuses(&format!("{flags} {GOLDEN} --inputs {GOLDEN} --out v.safetensors"), &["no `y` (N) of I64"]);
    place.refuses(&format!("{flags} {GOLDEN} --inputs in.safetensors --out no/v.safetensors"), &["does not exist"]);
}

#[test]
fn devices_are_listed_and_nothing_else_is_done() {
    let place = Place::new();
    let weights = format!("--weights {GOLDEN}");
    for mode in [
        String::new(),
        format!("sweep {weights} --out v.png"),
        format!("velocity {weights} --inputs {GOLDEN} --out v"),
        "train-classifier".into(),
    ] {
        let said = place.works(&format!("{mode} --list-devices"));
        assert!(said.lines().last().is_some_and(|line| line.starts_with("CPU")), "{mode}: {said}");
        assert_eq!(fs::read_dir(place.0.path()).unwrap().count(), 0, "{mode} wrote something");
    }
}

#[test]
fn a_single_image_has_those_figures_that_one_can_have() {
    let place = Place::new();
    place.samples("one.safetensors", &[-1.0; 784], &[3]);
    let said = place.works("--device cpu --samples one.safetensors --json one.json");
    assert!(said.contains("black pixels") && said.contains('–'), "{said}");
    let json: serde_json::Value = serde_json::from_slice(&fs::read(place.path("one.json")).unwrap()).unwrap();
    assert_eq!(json["figures"]["black_pixels"], 1.0);
    assert!(json["figures"]["frechet_distance"].is_null() && json["figures"]["precision"].is_null());
    assert!(json["classifier_test_accuracy"].as_f64().unwrap() >= 0.992);
}

#[test]
fn a_sweep_is_a_picture_with_the_figures_beside_it() {
    let place = Place::new();
    let mnist = concat!(env!("CARGO_MANIFEST_DIR"), "/../../weights/mnist.safetensors");
    let flags = "--over steps --values 1,4 --count 2 --out steps.png";
    let said = place.works(&format!("sweep --device cpu --weights {mnist} {flags}"));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("1: Fréchet distance ") && lines[1].starts_with("4: Fréchet distance "), "{said}");
    assert!(lines[2].starts_with("real digits: ") && lines[3] == "Wrote steps.png and steps.json", "{said}");
    let picture = image::open(place.path("steps.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (1000, 420));
    let json: serde_json::Value = serde_json::from_slice(&fs::read(place.path("steps.json")).unwrap()).unwrap();
    let accuracy = |at: &serde_json::Value| at["accuracy"].as_f64().unwrap();
    let points = json["points"].as_array().unwrap();
    assert_eq!(points.iter().map(|point| point["value"].as_str().unwrap()).collect::<Vec<_>>(), ["1", "4"]);
    // A single step draws the mean of a class at best, and nothing of what real digits have.
    assert!(points[0]["figures"]["black_pixels"].as_f64().unwrap() < json["real"]["black_pixels"].as_f64().unwrap());
    assert!(accuracy(&json["real"]) > 0.9, "{json}");
}

#[test]
fn what_cannot_be_evaluated_is_named() {
    let place = Place::new();
    place.refuses("", &["--weights"]);
    place.refuses("--weights none.safetensors", &["none.safetensors"]);
    place.refuses(&format!("--weights {GOLDEN}"), &["only digits can be evaluated"]);
    place.refuses(&format!("--weights {GOLDEN} --count 0"), &["--count"]);
    place.refuses(&format!("--weights {GOLDEN} --guidance nan"), &["no finite number"]);
    place.samples("good.safetensors", &[0.0; 784], &[3]);
    let bytes = fs::read(place.path("good.safetensors")).unwrap();
    fs::write(place.path("cut.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
    place.refuses("--samples cut.safetensors", &["cut.safetensors is no complete safetensors file"]);
    place.refuses("--samples good.safetensors --json no/such.json", &["does not exist"]);
    place.samples("nan.safetensors", &[f32::NAN; 784], &[3]);
    place.refuses("--samples nan.safetensors", &["`images` has NaN at element 0"]);
    place.samples("label.safetensors", &[0.0; 784], &[10]);
    place.refuses("--samples label.safetensors", &["label.safetensors: `labels` has 10 at element 0, not 0 to 9"]);
    place.samples("none.safetensors", &[], &[]);
    place.refuses("--samples none.safetensors", &["`labels` is empty"]);
    place.refuses(&format!("sweep --weights {GOLDEN} --values x"), &["`x` is none for guidance"]);
}
