//! What a seed makes is the same each time, and nearly the same on each device and in each batch.

use dit::{Config, Dit, FlowPath, Variant};
use flow::{SampleOptions, sample};
use runtime::Device;
use tests::harness::devices;

use crate::{random_weights, training};

const CONFIG: Config = Config {
    side: 6,
    channels: 2,
    patch: 2,
    width: 24,
    depth: 2,
    heads: 3,
    classes: 3,
    time_scale: 1000.0,
    path: FlowPath::CondOt,
    variant: Variant::DIT,
};
const LABELS: [u32; 5] = [0, 1, 2, 2, 0];

/// How far apart two images may be, as a part of the largest element, where sums are taken in another order
/// and exp is another: some roundings of f32 in each of eight steps.
const TOLERANCE: f32 = 1e-5;

/// The images of a seed, on a stream of their own.
fn draw(device: &Device, seed: u64, batch: usize) -> Vec<f32> {
    let mut stream = device.stream().unwrap();
    let model = Dit::from_weights(&mut stream, &random_weights(CONFIG, 0.25, 17)).unwrap();
    let options = SampleOptions { steps: 8, guidance: 3.0, seed, batch, ..SampleOptions::default() };
    sample(&mut stream, &model, &LABELS, &options, |_| {}).unwrap()
}

fn bits(images: &[f32]) -> Vec<u32> {
    images.iter().map(|value| value.to_bits()).collect()
}

/// The largest difference, as a part of the largest element.
pub(crate) fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    assert!(a.iter().chain(b).all(|value| value.is_finite()));
    let largest = a.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    a.iter().zip(b).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs())) / largest
}

#[test]
fn the_same_seed_is_the_same_images_on_a_fresh_device() {
    let draw_all = |seed| devices().iter().map(|device| bits(&draw(device, seed, 5))).collect::<Vec<_>>();
    let (first, second, other) = (draw_all(7), draw_all(7), draw_all(8));
    assert_eq!(first, second, "a device opened again draws other images");
    assert!(first.iter().zip(&other).all(|(a, b)| a != b), "another seed draws the same images");
}

#[test]
fn the_same_seed_is_nearly_the_same_images_on_each_device() {
    let images: Vec<Vec<f32>> = devices().iter().map(|device| draw(device, 7, 5)).collect();
    for others in &images[1..] {
        let difference = difference(&images[0], others);
        assert!(difference < TOLERANCE, "the CPU's images and the adapter's differ by {difference:e} of the largest");
    }
}

/// An adapter's product takes the sum of each element in the same order, whatever the number of rows. On the
/// CPU the order depends on it: there is a way of its own for few rows.
#[test]
fn an_image_is_the_same_in_each_batch() {
    for device in devices() {
        let whole = draw(&device, 7, 5);
        for batch in [1, 3] {
            let split = draw(&device, 7, batch);
            if device.adapter().is_some() {
                assert_eq!(bits(&split), bits(&whole), "{device}: in batches of {batch} images differ");
            }
            let difference = difference(&whole, &split);
            assert!(difference < TOLERANCE, "{device}: in batches of {batch} images differ by {difference:e}");
        }
    }
}

#[test]
fn the_same_seed_is_the_same_training_on_a_fresh_device() {
    let train = || {
        let trained = |device: Device| {
            let mut stream = device.stream().unwrap();
            let mut training = training::start(&mut stream);
            (training::run(&mut stream, &mut training, 3), training::state(&mut stream, &training))
        };
        devices().into_iter().map(trained).collect::<Vec<_>>()
    };
    assert_eq!(train(), train(), "a device opened again trains otherwise");
}
