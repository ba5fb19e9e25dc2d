//! Grids, numbers, interpolations, comparisons and animations.

use super::*;

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
