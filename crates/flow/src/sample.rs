//! From noise to images.

use std::ops::Range;

use autograd::Tape;
use dit::{Dit, Input};
use kernels::{Fill, GaussianNoise};
use runtime::{Buffer, Result, Stream};

use crate::grid::Grid;
use crate::{Solver, Velocity};

/// The step that sampling takes its noise from: no training reaches it, so that a sample does not
/// start from noise that the network was trained on.
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
    /// often where it is guided.
    pub steps: usize,
    /// The shift s of the steps: the noise level σ = 1 − t is s · σ / (1 + (s − 1) · σ) where steps of equal
    /// length have σ (Esser et al., 2403.03206, section 5.3.2). 1 is none, more takes shorter steps near the noise.
    pub time_shift: f32,
    /// The guidance scale s of v = v_null + s · (v_class − v_null); 1 is no guidance.
    pub guidance: f32,
    /// The times at which there is guidance (Kynkäänniemi et al., 2404.07724); [`ALWAYS`] for all.
    pub guided: Range<f32>,
    /// The seed of the noise. Image i of a seed is the same in whatever batch it is drawn.
    pub seed: u64,
    /// Images at once, at most.
    pub batch: usize,
}

impl Default for SampleOptions {
    /// 50 steps of Euler's method without guidance, 64 images at once.
    fn default() -> Self {
        Self { solver: Solver::Euler, steps: 50, time_shift: 1.0, guidance: 1.0, guided: ALWAYS, seed: 0, batch: 64 }
    }
}

/// Draws an image for each of `labels`, and returns them as (N, C, S, S), about within [−1, 1].
/// `progress` hears every few steps how many of all batches' steps are done.
///
/// # Errors
/// What the device reports.
pub fn sample(
    stream: &mut Stream,
    model: &Dit,
    labels: &[u32],
    options: &SampleOptions,
    mut progress: impl FnMut(usize),
) -> Result<Vec<f32>> {
    let mut images = Vec::with_capacity(labels.len() * model.config().image_size());
    for (index, chunk) in labels.chunks(options.batch).enumerate() {
        let first_item = (index * options.batch) as u32;
        let done = index * options.steps;
        let batch = sample_batch(stream, model, chunk, options, first_item, |step| progress(done + step))?;
        images.extend(stream.read::<f32>(&batch)?);
    }
    Ok(images)
}

fn sample_batch(
    stream: &mut Stream,
    model: &Dit,
    labels: &[u32],
    options: &SampleOptions,
    first_item: u32,
    progress: impl FnMut(usize),
) -> Result<Buffer> {
    let (items, size) = (labels.len(), model.config().image_size());
    let x = stream.allocate(items * size)?;
    GaussianNoise { out: &x, seed: options.seed, step: SAMPLING_STEP, first_item, items, size }.launch(stream)?;
    integrate(stream, model, &x, labels, options, progress)?;
    Ok(x)
}

/// Takes `x`, (N, C, S, S) for N labels, along the flow from noise to images, all at once and in place.
/// Of the options the seed and the batch play no part. `progress` hears every few steps how many are done.
///
/// # Errors
/// [`runtime::Error::Shape`] where `x` is of another size, and what the device reports.
pub fn integrate(
    stream: &mut Stream,
    model: &Dit,
    x: &Buffer,
    labels: &[u32],
    options: &SampleOptions,
    mut progress: impl FnMut(usize),
) -> Result<()> {
    let items = labels.len();
    let mut guided_labels = labels.to_vec();
    guided_labels.resize(2 * items, model.config().classes as u32);
    let (labels, time) = (stream.upload(&guided_labels)?, stream.allocate(2 * items)?);
    let velocity = |stream: &mut Stream, x: &Buffer, at: f32| {
        let guided = options.guidance != 1.0 && options.guided.contains(&at);
        let batch = if guided { 2 * items } else { items };
        let (time, labels) = (time.slice(0..batch), labels.slice(0..batch));
        Fill { out: &time, value: at }.launch(stream)?;
        let input = Input { images: x, source_batch: items, time: &time, labels: &labels, batch };
        let velocity = model.forward(&mut Tape::inference(stream, model.parameters()), &input)?;
        let velocity = velocity.value().clone();
        let guidance = options.guidance;
        Ok(if guided { Velocity::Guided { both: velocity, guidance } } else { Velocity::Plain(velocity) })
    };
    let (steps, grid) = (options.steps, Grid::new(options.steps, options.time_shift));
    for step in 0..steps {
        let (time, dt) = grid.step(step);
        options.solver.step(stream, x, time, dt, velocity)?;
        stream.submit()?;
        if (step + 1).is_multiple_of(STEPS_AHEAD) || step + 1 == steps {
            stream.synchronize()?;
            progress(step + 1);
        }
    }
    Ok(())
}
