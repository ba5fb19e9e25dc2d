//! From noise to images.

use std::ops::Range;

use autograd::Tape;
use dit::{Dit, Input};
use kernels::{Fill, GaussianNoise, GuidedVelocity};
use runtime::{Buffer, Result, Stream};

use crate::grid::Grid;
use crate::{Adaptive, SampleError, Sde, Solver, Velocity};

/// The step that sampling takes its noise from: no training reaches it, so that a sample does not
/// start from noise that the network was trained on. The steps of a stochastic way take those before it.
const SAMPLING_STEP: u32 = u32::MAX;
/// Steps handed to the device before it is waited for: it always has work, and is never far behind.
const STEPS_AHEAD: usize = 8;

/// Guidance from the first evaluation to the last, which may be at t = 1.
pub const ALWAYS: Range<f32> = 0.0..f32::INFINITY;

/// How images are drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleOptions {
    /// How a step is taken.
    pub solver: Solver,
    /// Steps from t = 0 to t = 1. Each evaluates the network as often as the solver says, and twice as
    /// often where it is guided. [`Solver::DormandPrince5`] chooses its steps by itself.
    pub steps: usize,
    /// The shift s of the steps: the noise level σ = 1 − t is s · σ / (1 + (s − 1) · σ) where steps of equal
    /// length have σ (Esser et al., 2403.03206, section 5.3.2). 1 is none, more takes shorter steps near the noise.
    pub time_shift: f32,
    /// How exact [`Solver::DormandPrince5`] is to be.
    pub adaptive: Adaptive,
    /// A stochastic way in place of the solver's.
    pub sde: Option<Sde>,
    /// The guidance scale s of v = v_null + s · (v_class − v_null); 1 is no guidance.
    pub guidance: f32,
    /// The times at which there is guidance (Kynkäänniemi et al., 2404.07724); [`ALWAYS`] for all.
    pub guided: Range<f32>,
    /// How far, from 0 to 1, the standard deviation of an image's guided velocity is brought back to that of its
    /// conditional one (Lin et al., 2305.08891, section 3.4).
    pub guidance_rescale: f32,
    /// CFG-Zero* (Fan et al., 2503.18886): v_null is scaled to be as near as possible to v_class, and of guided
    /// images this first part of the steps is left out, as if the velocity were zero.
    pub cfg_zero_star: Option<f32>,
    /// The seed of the noise. Image i of a seed is the same in whatever batch it is drawn, but for adaptive steps,
    /// which a batch takes together.
    pub seed: u64,
    /// Images at once, at most; 0 counts as 1.
    pub batch: usize,
}

impl Default for SampleOptions {
    /// 50 steps of Euler's method without guidance, 64 images at once.
    fn default() -> Self {
        Self {
            solver: Solver::Euler,
            steps: 50,
            time_shift: 1.0,
            adaptive: Adaptive::default(),
            sde: None,
            guidance: 1.0,
            guided: ALWAYS,
            guidance_rescale: 0.0,
            cfg_zero_star: None,
            seed: 0,
            batch: 64,
        }
    }
}

impl SampleOptions {
    /// The number of steps that are left out at the start.
    fn steps_left_out(&self) -> usize {
        let share = self.cfg_zero_star.filter(|_| self.guidance != 1.0).unwrap_or(0.0);
        (f64::from(share) * self.steps as f64).round() as usize
    }
}

/// Draws an image for each of `labels`, and returns them as (N, C, S, S), about within [−1, 1].
/// `progress` hears every few steps how many of all batches' steps are done.
///
/// # Errors
/// What the device reports, and where an adaptive solver gives up.
pub fn sample(
    stream: &mut Stream,
    model: &Dit,
    labels: &[u32],
    options: &SampleOptions,
    progress: impl FnMut(usize),
) -> Result<Vec<f32>, SampleError> {
    sample_counting(stream, model, labels, options, progress).map(|(images, _)| images)
}

/// As [`sample`], and tells the number of evaluations of the network that an image took, where one with guidance
/// counts twice: the most of any batch.
///
/// # Errors
/// As [`sample`].
pub fn sample_counting(
    stream: &mut Stream,
    model: &Dit,
    labels: &[u32],
    options: &SampleOptions,
    progress: impl FnMut(usize),
) -> Result<(Vec<f32>, usize), SampleError> {
    let start = |stream: &mut Stream, items| first_noise(stream, model, options.seed, items);
    sample_batches(stream, model, labels, options, progress, start)
}

/// As [`sample_counting`], from `noise` that is given, (N, C, S, S); the seed plays a part only where there is noise on
/// the way.
///
/// # Errors
/// [`runtime::Error::Shape`] where the noise is of another size, and as [`sample`].
pub fn sample_from(
    stream: &mut Stream,
    model: &Dit,
    noise: &[f32],
    labels: &[u32],
    options: &SampleOptions,
    progress: impl FnMut(usize),
) -> Result<(Vec<f32>, usize), SampleError> {
    let size = model.config().image_size();
    let start = |stream: &mut Stream, items: Range<usize>| {
        // Noise that is left over makes the last batch one of another size, which is refused.
        let end = if items.end == labels.len() { noise.len() } else { noise.len().min(items.end * size) };
        stream.upload(&noise[end.min(items.start * size)..end])
    };
    sample_batches(stream, model, labels, options, progress, start)
}

/// The noise that the first `items` images of a seed begin as, (N, C, S, S).
///
/// # Errors
/// What the device reports.
pub fn noise(stream: &mut Stream, model: &Dit, seed: u64, items: usize) -> Result<Vec<f32>> {
    let noise = first_noise(stream, model, seed, 0..items)?;
    stream.read(&noise)
}

/// The noise that images of these numbers of a seed begin as, (N, C, S, S).
///
/// # Errors
/// What the device reports.
pub fn first_noise(stream: &mut Stream, model: &Dit, seed: u64, numbers: Range<usize>) -> Result<Buffer> {
    let (items, size, first_item) = (numbers.len(), model.config().image_size(), numbers.start as u32);
    let out = stream.allocate(items * size)?;
    GaussianNoise { out: &out, seed, step: SAMPLING_STEP, first_item, items, size }.launch(stream)?;
    Ok(out)
}

/// Draws batch by batch, each from what `start` gives for the numbers of its images.
fn sample_batches(
    stream: &mut Stream,
    model: &Dit,
    labels: &[u32],
    options: &SampleOptions,
    mut progress: impl FnMut(usize),
    mut start: impl FnMut(&mut Stream, Range<usize>) -> Result<Buffer>,
) -> Result<(Vec<f32>, usize), SampleError> {
    let mut images = Vec::with_capacity(labels.len() * model.config().image_size());
    let (mut most, batch) = (0, options.batch.max(1));
    for (index, labels) in labels.chunks(batch).enumerate() {
        let first = index * batch;
        let done = index * options.steps;
        let x = start(stream, first..first + labels.len())?;
        let way = Way { model, labels, options, first_item: first as u32 };
        most = most.max(way.go(stream, &x, |step| progress(done + step), unwatched)?);
        images.extend(stream.read::<f32>(&x)?);
    }
    Ok((images, most))
}

/// Takes `x`, (N, C, S, S) for N labels, along the flow from noise to images, all at once and in place, and tells
/// the number of evaluations of the network, where one with guidance counts twice. Of the options the batch plays
/// no part, and the seed only where there is noise on the way. `progress` hears every few steps how many are done.
///
/// # Errors
/// [`runtime::Error::Shape`] where `x` is of another size, and as [`sample`].
pub fn integrate(
    stream: &mut Stream,
    model: &Dit,
    x: &Buffer,
    labels: &[u32],
    options: &SampleOptions,
    progress: impl FnMut(usize),
) -> Result<usize, SampleError> {
    Way { model, labels, options, first_item: 0 }.go(stream, x, progress, unwatched)
}

/// As [`integrate`]; before each step `watch` sees the images and their time. It may launch kernels that read them, and
/// read them itself.
///
/// # Errors
/// Those of `watch`, and as [`integrate`].
pub fn integrate_watched(
    stream: &mut Stream,
    model: &Dit,
    x: &Buffer,
    labels: &[u32],
    options: &SampleOptions,
    mut watch: impl FnMut(&mut Stream, &Buffer, f32) -> Result<()>,
) -> Result<usize, SampleError> {
    let watch = |stream: &mut Stream, x: &Buffer, time: f32, _: VelocityAt| watch(stream, x, time);
    Way { model, labels, options, first_item: 0 }.go(stream, x, |_| {}, watch)
}

/// What gives the velocity at a point and a time.
pub(crate) type VelocityAt<'a> = &'a mut dyn FnMut(&mut Stream, &Buffer, f32) -> Result<Velocity>;

/// Sees nothing of the way.
pub(crate) fn unwatched(_: &mut Stream, _: &Buffer, _: f32, _: VelocityAt) -> Result<()> {
    Ok(())
}

/// The way of some images.
pub(crate) struct Way<'a> {
    pub(crate) model: &'a Dit,
    pub(crate) labels: &'a [u32],
    pub(crate) options: &'a SampleOptions,
    /// The number of the first image.
    pub(crate) first_item: u32,
}

impl Way<'_> {
    /// Takes `x` along the way; `watch` sees before each step the point, its time, and what gives velocities.
    pub(crate) fn go(
        &self,
        stream: &mut Stream,
        x: &Buffer,
        mut progress: impl FnMut(usize),
        mut watch: impl FnMut(&mut Stream, &Buffer, f32, VelocityAt) -> Result<()>,
    ) -> Result<usize, SampleError> {
        let Self { labels, options, .. } = self;
        let items = labels.len();
        let mut guided_labels = labels.to_vec();
        guided_labels.resize(2 * items, self.model.config().classes as u32);
        let (labels, time) = (stream.upload(&guided_labels)?, stream.allocate(2 * items)?);
        let mut evaluations = 0;
        let mut velocity = |stream: &mut Stream, x: &Buffer, at: f32| {
            let guided = options.guidance != 1.0 && options.guided.contains(&at);
            let passes = if guided { 2 } else { 1 };
            evaluations += passes;
            let batch = passes * items;
            let (time, labels) = (time.slice(0..batch), labels.slice(0..batch));
            Fill { out: &time, value: at }.launch(stream)?;
            let input = Input { images: x, source_batch: items, time: &time, labels: &labels, batch };
            let velocity = self.model.forward(&mut Tape::inference(stream, self.model.parameters()), &input)?;
            let velocity = velocity.value().clone();
            if guided { self.guided(stream, velocity) } else { Ok(Velocity::Plain(velocity)) }
        };
        let (steps, first) = (options.steps, options.steps_left_out());
        let mut after_step = |stream: &mut Stream, done: usize| -> Result<()> {
            stream.submit()?;
            if done.is_multiple_of(STEPS_AHEAD) || done == steps {
                stream.synchronize()?;
                progress(done);
            }
            Ok(())
        };
        if let Some(sde) = options.sde {
            let (path, times) = (self.model.config().path, sde.times(steps, options.time_shift));
            let noise = stream.allocate(x.len())?;
            for (step, ends) in times.windows(2).enumerate().skip(first) {
                watch(stream, x, ends[0] as f32, &mut velocity)?;
                self.noise(stream, &noise, step)?;
                sde.step(stream, path, x, ends[0]..ends[1], &noise, &mut velocity)?;
                after_step(stream, step + 1)?;
            }
            let last = times.last().copied().unwrap_or_default();
            watch(stream, x, last as f32, &mut velocity)?;
            sde.last_step(stream, path, x, last, &mut velocity)?;
            after_step(stream, steps)?;
        } else if options.solver == Solver::DormandPrince5 {
            let (grid, adaptive) = (Grid::new(steps, options.time_shift), options.adaptive);
            let done = |time: f64| progress((time * steps as f64) as usize);
            adaptive.integrate_watched(stream, x, items, grid.time(first)..1.0, &mut velocity, done, watch)?;
        } else {
            let grid = Grid::new(steps, options.time_shift);
            for step in first..steps {
                let (time, dt) = grid.step(step);
                watch(stream, x, time, &mut velocity)?;
                options.solver.step(stream, x, time, dt, &mut velocity)?;
                after_step(stream, step + 1)?;
            }
        }
        Ok(evaluations)
    }

    /// What guidance makes of the conditional velocities and, after them, those of the null class.
    fn guided(&self, stream: &mut Stream, both: Buffer) -> Result<Velocity> {
        let SampleOptions { guidance, guidance_rescale: rescale, cfg_zero_star, .. } = *self.options;
        if rescale == 0.0 && cfg_zero_star.is_none() {
            return Ok(Velocity::Guided { both, guidance });
        }
        let (batch, size, scale_null) = (self.labels.len(), self.model.config().image_size(), cfg_zero_star.is_some());
        let out = stream.allocate(batch * size)?;
        GuidedVelocity { velocity: &both, out: &out, guidance, rescale, scale_null, batch, size }.launch(stream)?;
        Ok(Velocity::Plain(out))
    }

    /// The noise that a step adds, each image's its own.
    fn noise(&self, stream: &mut Stream, out: &Buffer, step: usize) -> Result<()> {
        let (items, size, first_item) = (self.labels.len(), self.model.config().image_size(), self.first_item);
        let step = SAMPLING_STEP - 1 - step as u32;
        GaussianNoise { out, seed: self.options.seed, step, first_item, items, size }.launch(stream)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dit::{Config, FlowPath, Variant};
    use runtime::{Device, DeviceOptions};

    use super::*;

    const CONFIG: Config = {
        let (side, channels, patch, width, depth, heads, classes, time_scale) = (4, 1, 2, 8, 1, 2, 3, 1.0);
        let (path, variant) = (FlowPath::CondOt, Variant::DIT);
        Config { side, channels, patch, width, depth, heads, classes, time_scale, path, variant }
    };

    #[test]
    fn all_steps_are_watched_and_nothing_changes_by_it() {
        let mut stream = Device::open(&DeviceOptions::cpu()).unwrap().stream().unwrap();
        // A new model's velocity is zero, and its images would be their noise.
        let specs = CONFIG.parameters();
        let values = specs.iter().map(|spec| vec![0.1; spec.shape.iter().product()]).collect();
        let weights = dit::Weights { config: CONFIG, values, positions: vec![0.1; 4 * 8] };
        let model = Dit::from_weights(&mut stream, &weights).unwrap();
        let options = SampleOptions { steps: 5, guidance: 2.0, seed: 7, ..SampleOptions::default() };
        let labels = [0, 2];
        let x = first_noise(&mut stream, &model, 7, 0..2).unwrap();
        let mut seen = Vec::new();
        let evaluations = integrate_watched(&mut stream, &model, &x, &labels, &options, |stream, x, time| {
            seen.push((time, stream.read::<f32>(x)?));
            Ok(())
        });
        assert_eq!(evaluations.unwrap(), 10);
        let times: Vec<f32> = seen.iter().map(|(time, _)| *time).collect();
        assert_eq!(times, [0.0, 0.2, 0.4, 0.6, 0.8]);
        assert_eq!(seen[0].1, noise(&mut stream, &model, 7, 2).unwrap());
        assert_ne!(seen[0].1, seen[4].1);
        let images = sample(&mut stream, &model, &labels, &options, |_| {}).unwrap();
        assert_eq!(stream.read::<f32>(&x).unwrap(), images);
    }

    #[test]
    fn noise_of_another_size_is_refused_and_a_batch_of_none_is_one_of_one() {
        let mut stream = Device::open(&DeviceOptions::cpu()).unwrap().stream().unwrap();
        let model = Dit::new(&mut stream, CONFIG, 0).unwrap();
        let labels = [0, 1, 2];
        let mut draw = |len: usize, batch| {
            let options = SampleOptions { steps: 2, batch, ..SampleOptions::default() };
            let noise = vec![0.5; len];
            sample_from(&mut stream, &model, &noise, &labels, &options, |_| {}).map(|(images, _)| images)
        };
        // A new model's velocity is zero: what comes out is the noise.
        for batch in [0, 1, 2, 3] {
            assert_eq!(draw(3 * 16, batch).unwrap(), vec![0.5; 3 * 16]);
            for len in [0, 3 * 16 - 1, 3 * 16 + 1, 4 * 16] {
                assert!(draw(len, batch).is_err(), "{len} numbers in batches of {batch}");
            }
        }
    }
}
