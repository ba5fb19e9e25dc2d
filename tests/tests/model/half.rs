//! Reduced precision: what it draws and what it learns are near to those of f32.

use dit::{Config, Dit, FlowPath, Variant};
use flow::{SampleOptions, sample};
use runtime::{Device, DeviceOptions, Error, Half, VectorUnit};
use tests::harness::half_devices;

use crate::determinism::difference;
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

/// How far apart two images may be, as a part of the largest element. Rounding to 11 bits changes an operand
/// by 5e-4 of itself at most; sums of tens of products average that, and some ten products a step in eight
/// steps, with guidance's factor of three, add it up again.
const IMAGES: f32 = 2e-2;

/// How far apart the losses of twenty steps may be, as a part of the loss.
const LOSSES: f32 = 1e-2;

/// How much more is allowed where operands keep 8 bits and not 11.
fn allowance(device: &Device) -> f32 {
    if device.half() == Some(Half::Bfloat16) { 8.0 } else { 1.0 }
}

/// Nearer than [`IMAGES`], and not the same where operands are rounded, which hardware without matrix units does not do.
#[test]
fn images_are_near_those_of_f32() {
    let draw = |device: &Device| {
        let mut stream = device.stream().unwrap();
        let model = Dit::from_weights(&mut stream, &random_weights(CONFIG, 0.25, 17)).unwrap();
        let options = SampleOptions { steps: 8, guidance: 3.0, seed: 7, batch: 5, ..SampleOptions::default() };
        sample(&mut stream, &model, &[0, 1, 2, 2, 0], &options, |_| {}).unwrap()
    };
    let exact = draw(&Device::open(&DeviceOptions::cpu()).unwrap());
    for device in half_devices(None).iter().filter(|device| device.half().is_some()) {
        let difference = difference(&exact, &draw(device));
        assert!(
            difference < IMAGES * allowance(device),
            "{device}: images differ by {difference:e} of the largest element"
        );
        let rounds = !device.is_hardware_gpu() || device.half().is_some_and(|half| half.matrices().is_some());
        assert!(difference > 1e-5 || !rounds, "{device}: images differ by {difference:e} only: was anything rounded?");
    }
}

/// The loss of each of twenty steps; an adapter's gradients are of 32 bits, but follow what the forward products
/// rounded, and the CPU rounds the operands of theirs too.
#[test]
fn training_is_near_that_of_f32() {
    let train = |device: &Device| {
        let mut stream = device.stream().unwrap();
        let mut state = training::start(&mut stream);
        training::run(&mut stream, &mut state, 20)
    };
    let exact = train(&Device::open(&DeviceOptions::cpu()).unwrap());
    for device in half_devices(None).iter().filter(|device| device.half().is_some()) {
        let losses = train(device);
        let apart = losses.iter().zip(&exact).map(|(half, exact)| (half - exact).abs() / exact);
        let worst = apart.fold(0.0, f32::max);
        assert!(
            worst < LOSSES * allowance(device),
            "{device}: a loss differs by {worst:e} of it: {losses:?} and {exact:?}"
        );
        assert!(losses != exact, "{device}: was anything rounded?");
    }
}

/// A CPU opens for reduced precision where it multiplies bfloat16, and says what is missing where it has none.
#[test]
fn the_cpu_needs_bfloat16() {
    let opened = Device::open(&DeviceOptions { half: true, ..DeviceOptions::cpu() });
    match (VectorUnit::get(), opened) {
        (Some(_), Ok(device)) => assert_eq!(device.half(), Some(Half::Bfloat16)),
        (None, Err(error @ Error::NoBfloat16)) => assert!(error.to_string().contains("AVX-512"), "{error}"),
        (unit, opened) => panic!("{unit:?} and {opened:?}"),
    }
}
