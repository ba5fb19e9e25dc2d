//! What is drawn, on every device, and what is written beside it.

use super::*;

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
