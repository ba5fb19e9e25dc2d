//! The loss on held-out digits, by time.

use anyhow::Result;
use autograd::Tape;
use dit::{Dit, Input};
use kernels::{FlowPoint, GaussianNoise, Mse};
use runtime::Stream;

use crate::samples::{SIZE, Samples};

/// Bins of time, of a tenth each.
pub const BINS: usize = 10;
/// Noise of its own, neither training's nor sampling's.
const NOISE: (u64, u32) = (0x10_55, u32::MAX - 1);
const BATCH: usize = 50;

/// The mean squared error of the velocity in each tenth of [0, 1], with the labels given and t spread evenly over the
/// bin: the flow-matching loss (Lipman et al., 2210.02747, eq. 23) without label dropout. The noise of image i is
/// the same for every model and bin.
///
/// # Errors
/// What the device reports.
pub fn loss_by_time(stream: &mut Stream, model: &Dit, digits: &Samples) -> Result<[f64; BINS]> {
    let mut sums = [0.0; BINS];
    let count = digits.labels.len();
    for first in (0..count).step_by(BATCH) {
        let batch = BATCH.min(count - first);
        let pixels = &digits.images[first * SIZE..][..batch * SIZE];
        let data = stream.upload(&pixels.iter().map(|pixel| f32::from(*pixel) / 127.5 - 1.0).collect::<Vec<_>>())?;
        let labels: Vec<u32> = digits.labels[first..][..batch].iter().map(|label| u32::from(*label)).collect();
        let labels = stream.upload(&labels)?;
        let [noise, point, velocity] = [(); 3].map(|()| stream.allocate(batch * SIZE));
        let (noise, point, velocity, errors) = (noise?, point?, velocity?, stream.allocate(batch)?);
        let (seed, step) = NOISE;
        GaussianNoise { out: &noise, seed, step, first_item: first as u32, items: batch, size: SIZE }.launch(stream)?;
        for (bin, sum) in sums.iter_mut().enumerate() {
            // Neighbouring images are of one digit: a stride that shares no factor with most counts mixes the times.
            let place = |item: usize| (((first + item) * 7919 % count) as f32 + 0.5) / count as f32;
            let times: Vec<f32> = (0..batch).map(|item| (bin as f32 + place(item)) / BINS as f32).collect();
            let time = stream.upload(&times)?;
            FlowPoint {
                data: &data,
                noise: &noise,
                time: &time,
                out_point: &point,
                out_velocity: &velocity,
                path: model.config().path,
                batch,
                size: SIZE,
            }
            .launch(stream)?;
            let input = Input { images: &point, source_batch: batch, time: &time, labels: &labels, batch };
            let prediction = model.forward(&mut Tape::inference(stream, model.parameters()), &input)?;
            Mse { prediction: prediction.value(), target: &velocity, out: &errors, batch, size: SIZE }
                .launch(stream)?;
            *sum += stream.read::<f32>(&errors)?.into_iter().map(f64::from).sum::<f64>();
        }
    }
    Ok(sums.map(|sum| sum / count as f64))
}
