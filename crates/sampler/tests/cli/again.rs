//! Pictures that say how they were drawn.

use super::*;

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
