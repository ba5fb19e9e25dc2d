//! What cannot be drawn or written: one sentence, and nothing lost.

use super::*;

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
