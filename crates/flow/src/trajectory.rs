//! The way from noise to images, as it is seen at some moments.

use dit::Dit;
use kernels::{Euler, Fill};
use runtime::{Buffer, Stream};

use crate::sample::{VelocityAt, Way};
use crate::solver::advance;
use crate::{Prediction, SampleError, SampleOptions};

/// Where images are at a time, and where they seem to be going.
#[derive(Clone, Debug, PartialEq)]
pub struct Moment {
    /// From 0, which is noise, to 1.
    pub time: f32,
    /// (N, C, S, S): x at that time.
    pub x: Vec<f32>,
    /// (N, C, S, S): the data that the velocity tells of ([`Prediction::Data`]); on the straight path x + (1 − t) · v,
    /// where a straight line along the velocity would end. The network's idea of the images, from what it sees so far.
    pub end: Vec<f32>,
}

/// Times that roundings set apart are taken for the same.
const SAME_TIME: f32 = 1e-4;

/// Draws as [`crate::sample_from`] does, all images at once, and gives about `moments` + 1 moments of it, as
/// evenly spread over time as the steps are; the first is where the first step begins, the last the images. Each
/// costs an evaluation of the velocity more.
///
/// # Errors
/// As [`crate::sample_from`].
pub fn trajectory(
    stream: &mut Stream,
    model: &Dit,
    noise: &[f32],
    labels: &[u32],
    options: &SampleOptions,
    moments: usize,
    progress: impl FnMut(usize),
) -> Result<Vec<Moment>, SampleError> {
    let path = model.config().path;
    let x = stream.upload(noise)?;
    let mut seen = Vec::new();
    let mut due = 0.0;
    let watch = |stream: &mut Stream, x: &Buffer, time: f32, velocity: VelocityAt| {
        if time + SAME_TIME < due {
            return Ok(());
        }
        due = (((time + SAME_TIME) * moments as f32).floor() + 1.0) / moments as f32;
        let weights = Prediction::Data.weights(path, f64::from(time));
        // Where a path starts without velocity, nothing can be told there.
        let [of_point, of_velocity] =
            if weights.iter().all(|weight| weight.is_finite()) { weights } else { [1.0, 0.0] };
        let end = stream.allocate(x.len())?;
        Fill { out: &end, value: 0.0 }.launch(stream)?;
        Euler { velocity: x, x: &end, dt: of_point as f32 }.launch(stream)?;
        let velocity = velocity(stream, x, time)?;
        advance(stream, &end, &[velocity], &[of_velocity as f32], 1.0)?;
        seen.push(Moment { time, x: stream.read(x)?, end: stream.read(&end)? });
        Ok(())
    };
    Way { model, labels, options, first_item: 0 }.go(stream, &x, progress, watch)?;
    let x: Vec<f32> = stream.read(&x)?;
    seen.push(Moment { time: 1.0, end: x.clone(), x });
    Ok(seen)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dit::Config;
    use runtime::{Device, DeviceOptions};

    use super::*;
    use crate::{Sde, Solver, noise, sample};

    const CONFIG: Config = Config {
        side: 4,
        channels: 1,
        patch: 2,
        width: 8,
        depth: 1,
        heads: 2,
        classes: 3,
        time_scale: 1.0,
        path: dit::FlowPath::CondOt,
        variant: dit::Variant::DIT,
    };

    fn moments(options: &SampleOptions, moments: usize) -> (Vec<Moment>, Vec<f32>) {
        let device = Device::open(&DeviceOptions::cpu()).unwrap();
        let mut stream = device.stream().unwrap();
        let parameters = CONFIG.parameters();
        let values = parameters.iter().map(|spec| {
            (0..spec.shape.iter().product::<usize>()).map(|index| 0.3 * (1.7 * index as f32).sin()).collect()
        });
        let weights = dit::Weights { config: CONFIG, values: values.collect(), positions: vec![0.1; 4 * 8] };
        let model = Dit::from_weights(&mut stream, &weights).unwrap();
        let labels = [2, 0];
        let start = noise(&mut stream, &model, options.seed, labels.len()).unwrap();
        let seen = trajectory(&mut stream, &model, &start, &labels, options, moments, |_| {}).unwrap();
        assert_eq!(seen[0].x, start);
        (seen, sample(&mut stream, &model, &labels, options, |_| {}).unwrap())
    }

    #[test]
    fn the_way_ends_where_sampling_does() {
        for solver in Solver::ALL {
            let options = SampleOptions { solver, steps: 7, guidance: 2.0, seed: 3, ..SampleOptions::default() };
            let (seen, images) = moments(&options, 3);
            assert_eq!(seen.last().unwrap().x, images, "{solver}: watching changes nothing");
            let times: Vec<_> = seen.iter().map(|moment| moment.time).collect();
            if solver == Solver::DormandPrince5 {
                assert!(times.is_sorted() && times[0] == 0.0 && times.len() <= 4, "{times:?}");
            } else {
                assert_eq!(times, [0.0, 3.0 / 7.0, 5.0 / 7.0, 1.0], "{solver}");
            }
        }
    }

    #[test]
    fn a_way_with_noise_on_it_is_watched_too() {
        let options = SampleOptions { sde: Some(Sde::default()), steps: 6, seed: 3, ..SampleOptions::default() };
        let (seen, images) = moments(&options, 3);
        assert_eq!(seen.last().unwrap().x, images);
        assert!(seen.iter().all(|moment| moment.end.iter().all(|value| value.is_finite())));
    }

    /// Two roundings in each of f32.
    const ROUNDING: f32 = 1e-5;

    /// A step of Euler's is along the line to the predicted end: x' = x + dt · (end − x) / (1 − t).
    #[test]
    fn a_step_of_eulers_goes_straight_to_the_predicted_end() {
        let options = SampleOptions { steps: 5, guidance: 3.0, ..SampleOptions::default() };
        let (seen, _) = moments(&options, 100);
        assert_eq!(seen.len(), 6, "no more moments than there are steps");
        for pair in seen.windows(2) {
            let [Moment { time, x, end }, Moment { x: next, .. }] = pair else { unreachable!() };
            let share = 0.2 / (1.0 - time);
            for ((x, end), next) in x.iter().zip(end).zip(next) {
                assert!((x + share * (end - x) - next).abs() < ROUNDING, "at {time}");
            }
        }
    }
}
