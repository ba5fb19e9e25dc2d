//! Training on folders of images.

use super::*;

/// A folder with a subfolder for each of three classes: flat colour images of 9 × 12 pixels, in as many formats.
fn photographs(folder: &Path) {
    let colours = [("blue", [20, 40, 220], "png"), ("green", [30, 200, 60], "bmp"), ("red", [220, 30, 30], "gif")];
    for (class, colour, format) in colours {
        fs::create_dir(folder.join(class)).unwrap();
        for index in 0..10_u8 {
            let pixel = image::Rgb(colour.map(|value| value + index));
            let image = image::RgbImage::from_pixel(9, 12, pixel);
            image.save(folder.join(class).join(format!("{index}.{format}"))).unwrap();
        }
    }
}

/// How far the mean colour of a drawn image, within [0, 1], may be from that of its class. Noise, and the average of all
/// classes, are further off: two classes differ by 0.6 or more in two channels.
const COLOURS_AGREE: f32 = 0.2;

#[test]
fn a_folder_of_colour_images_is_learned_and_drawn_and_resumed_as_it_was_read() {
    let (data, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    photographs(data.path());
    let out = folder.path().join("run");
    let read = ["--image-size", "8", "--image-fit", "stretch", "--held-out", "0.2"];
    assert!(fail(tiny(data.path(), &out, &["--steps", "1"]), 1).contains("--image-size"), "the images are not square");
    let more = [&["--steps", "300", "--warmup", "10", "--sample-every", "0"], &read[..]].concat();
    let said = succeed(tiny(data.path(), &out, &more));
    assert!(said.contains("24 images of ") && said.contains("(8×8, colour, 3 classes)"), "{said}");
    assert!(said.contains("Note: there is no test split, so 6 of 30 images are held out"), "{said}");
    let picture = image::open(out.join("samples/step-000300.png")).unwrap();
    assert!(picture.color().has_color(), "the preview is grey");

    // The checkpoint and config.toml know how the images were read.
    let config = fs::read_to_string(out.join("config.toml")).unwrap();
    for line in ["image-size = 8", "image-fit = \"stretch\"", "held-out = 0.2"] {
        assert!(config.lines().any(|other| other == line), "{line} is not in {config}");
    }
    succeed(resume(&out, &["--steps", "302", "--sample-every", "0"]));
    fs::remove_file(out.join("config.toml")).unwrap();
    succeed(resume(&out, &["--steps", "304", "--sample-every", "0"]));
    let other = fail(resume(&out, &["--steps", "306", "--image-channels", "grey"]), 1);
    assert!(other.contains("began with other images"), "{other}");

    // Each class is drawn in its colour.
    let device = runtime::Device::open(&runtime::DeviceOptions::cpu()).unwrap();
    let mut stream = device.stream().unwrap();
    let weights = dit::Weights::load(out.join("weights.safetensors")).unwrap();
    let model = dit::Dit::from_weights(&mut stream, &weights).unwrap();
    let options = flow::SampleOptions { steps: 20, guidance: 1.0, ..flow::SampleOptions::default() };
    let images = flow::sample(&mut stream, &model, &[0, 1, 2], &options, |_| {}).unwrap();
    let wanted = [[24, 44, 224], [34, 204, 64], [224, 34, 34]];
    for (plane, wanted) in images.chunks(64).zip(wanted.concat()) {
        let mean = plane.iter().sum::<f32>() / 128.0 + 0.5;
        assert!((mean - wanted as f32 / 255.0).abs() < COLOURS_AGREE, "{mean} of {wanted}");
    }
}

#[test]
fn nothing_need_be_held_out_and_bad_folders_get_one_sentence() {
    let (data, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    photographs(data.path());
    let run = ["--steps", "2", "--image-size", "4", "--image-channels", "grey", "--held-out=0"];
    let said = succeed(tiny(data.path(), &folder.path().join("run"), &run));
    assert!(said.contains("30 images of ") && said.contains("none was held out"), "{said}");
    assert!(!said.contains("held out 0."), "{said}");

    // No patch of 4 pixels or more divides 7 but 7 itself.
    let seven = ["--steps", "2", "--image-size", "7"];
    let said = fail(tiny(data.path(), &folder.path().join("one-token"), &seven), 1);
    assert!(said.contains("divides images of 7×7; make them 4 or 8 pixels a side with --image-size"), "{said}");
    succeed(tiny(data.path(), &folder.path().join("one-token"), &[&seven[..], &["--patch", "7"]].concat()));

    let out = folder.path().join("other");
    fs::write(data.path().join("red/broken.jpg"), b"nothing").unwrap();
    let said = fail(tiny(data.path(), &out, &run), 1);
    assert!(said.contains("1 of 31 images") && said.contains("red/broken.jpg"), "{said}");
    let said = succeed(tiny(data.path(), &out, &[&run[..], &["--skip-unreadable"]].concat()));
    assert!(said.contains("Note: 1 of 31 images cannot be read and were left out: red/broken.jpg"), "{said}");
    fs::create_dir(data.path().join("yellow")).unwrap();
    let more = [&run[..], &["--skip-unreadable"]].concat();
    let said = fail(tiny(data.path(), &folder.path().join("third"), &more), 1);
    assert!(said.contains("without an image to train on: yellow"), "{said}");
}
