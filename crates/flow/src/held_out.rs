//! The loss on images that training never sees, by time.

use autograd::Tape;
use dit::{Dit, Input};
use kernels::{FlowPoint, GaussianNoise, Mse};
use runtime::{Result, Stream};

/// Bins of time, of a tenth each.
pub const TIME_BINS: usize = 10;

/// Noise of its own, neither training's nor sampling's.
const NOISE: (u64, u32) = (0x10_55, u32::MAX - 1);

/// The mean squared error of the velocity in each tenth of [0, 1], with the labels given and t spread evenly over the
/// tenth: the flow-matching loss (Lipman et al., 2210.02747, section 4) without label dropout. `images` are N·C·S·S values
/// of 0 to 255 in the shape that the model takes, `labels` N classes, N at least 1; `batch` at most go through the model
/// at once. The noise of image i and its place within a tenth are the same for every model, tenth and batch.
///
/// # Errors
/// What the device reports.
pub fn loss_by_time(
    stream: &mut Stream,
    model: &Dit,
    images: &[u8],
    labels: &[u8],
    batch: usize,
) -> Result<[f64; TIME_BINS]> {
    let (count, size, batch) = (labels.len(), model.config().image_size(), batch.max(1));
    let mut sums = [0.0; TIME_BINS];
    for first in (0..count).step_by(batch) {
        let batch = batch.min(count - first);
        let pixels = &images[first * size..][..batch * size];
        let data = stream.upload(&pixels.iter().map(|pixel| f32::from(*pixel) / 127.5 - 1.0).collect::<Vec<_>>())?;
        let labels: Vec<u32> = labels[first..][..batch].iter().map(|label| u32::from(*label)).collect();
        let labels = stream.upload(&labels)?;
        let [noise, point, velocity] = [(); 3].map(|()| stream.allocate(batch * size));
        let (noise, point, velocity, errors) = (noise?, point?, velocity?, stream.allocate(batch)?);
        let (seed, step) = NOISE;
        GaussianNoise { out: &noise, seed, step, first_item: first as u32, items: batch, size }.launch(stream)?;
        for (bin, sum) in sums.iter_mut().enumerate() {
            // Neighbouring images may be of one class: a stride that shares no factor with most counts mixes the times.
            let place = |item: usize| (((first + item) * 7919 % count) as f32 + 0.5) / count as f32;
            let times: Vec<f32> = (0..batch).map(|item| (bin as f32 + place(item)) / TIME_BINS as f32).collect();
            let time = stream.upload(&times)?;
            FlowPoint {
                data: &data,
                noise: &noise,
                time: &time,
                out_point: &point,
                out_velocity: &velocity,
                path: model.config().path,
                batch,
                size,
            }
            .launch(stream)?;
            let input = Input { images: &point, source_batch: batch, time: &time, labels: &labels, batch };
            let prediction = model.forward(&mut Tape::inference(stream, model.parameters()), &input)?;
            Mse { prediction: prediction.value(), target: &velocity, out: &errors, batch, size }.launch(stream)?;
            *sum += stream.read::<f32>(&errors)?.into_iter().map(f64::from).sum::<f64>();
        }
    }
    Ok(sums.map(|sum| sum / count as f64))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dit::{Config, FlowPath, Variant};
    use runtime::{Device, DeviceOptions};

    use super::*;

    /// A new model says that nothing moves, so that the loss is the mean square of 1 − noise, which is 2. Over 245
    /// values its standard deviation is √(6 / 245) = 0.16; more than three of it would be chance of one in 370.
    const FROM_TWO: f64 = 0.48;

    #[test]
    fn a_model_that_says_nothing_is_off_by_the_velocity_itself_in_whatever_batches() {
        let device = Device::open(&DeviceOptions::cpu()).unwrap();
        let mut stream = device.stream().unwrap();
        let (path, time_scale, variant) = (FlowPath::default(), 1.0, Variant::DIT);
        let config = Config {
            side: 7,
            channels: 1,
            patch: 7,
            width: 8,
            depth: 1,
            heads: 2,
            classes: 3,
            time_scale,
            path,
            variant,
        };
        let model = Dit::new(&mut stream, config, 0).unwrap();
        let (images, labels) = ([255; 5 * 49], [0, 1, 2, 0, 1]);
        let mut loss = |count: usize, batch| {
            loss_by_time(&mut stream, &model, &images[..count * 49], &labels[..count], batch).unwrap()
        };
        let whole = loss(5, 5);
        assert!((whole[0] - 2.0).abs() < FROM_TWO, "{whole:?}");
        for batch in [1, 2, 7] {
            // The same values, summed in another order.
            assert!(loss(5, batch).iter().zip(whole).all(|(loss, whole)| (loss - whole).abs() < 1e-5), "batch {batch}");
        }
        // The noise is the same at all times, and so is a straight path's velocity.
        assert!(whole.iter().all(|bin| (bin - whole[0]).abs() < 1e-5), "{whole:?}");
        assert!((loss(1, 5)[9] - whole[0]).abs() > 1e-3, "one image has another loss than five");
    }
}
