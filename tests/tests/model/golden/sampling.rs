//! Euler's method from given noise.

use dit::Dit;
use flow::{SampleOptions, integrate};
use tests::harness::on_each_device;

use super::{Golden, weights};

const SAMPLING: &[u8] = include_bytes!("../../../goldens/sampling.safetensors");

#[test]
fn images_from_given_noise_are_those_of_pytorch() {
    let (golden, weights) = (Golden::new(SAMPLING), weights());
    let (noise, labels) = (golden.read("noise"), golden.integers("labels"));
    let steps = golden.number("steps") as usize;
    on_each_device(|bench| {
        let model = Dit::from_weights(&mut bench.stream, &weights).unwrap();
        for (name, guidance) in [("guided", golden.number("guidance")), ("unguided", 1.0)] {
            let x = bench.upload(&noise);
            let options = SampleOptions { steps, guidance, batch: labels.len(), ..SampleOptions::default() };
            let mut done = 0;
            integrate(&mut bench.stream, &model, &x, &labels, &options, |step| done = step).unwrap();
            assert_eq!(done, steps);
            let images: Vec<f32> = bench.read(&x);
            golden.expect(name, &bench.device, &images);
        }
    });
}
