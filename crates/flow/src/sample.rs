//! From noise to images.

use autograd::Tape;
use dit::{Dit, Input};
use kernels::{Euler, Fill, GaussianNoise, GuidanceEuler};
use runtime::{Buffer, Result, Stream};

/// The step that sampling takes its noise from: no training reaches it, so that a sample does not
/// start from noise that the network was trained on.
const SAMPLING_STEP: u32 = u32::MAX;
/// Steps handed to the device before it is waited for: it always has work, and is never far behind.
const STEPS_AHEAD: usize = 8;

/// How images are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleOptions {
    /// Euler steps from t = 0 to t = 1, each an evaluation of the network (two with guidance).
    pub steps: usize,
    /// The guidance scale s of v = v_null + s · (v_class − v_null); 1 is no guidance.
    pub guidance: f32,
    /// The seed of the noise. Image i of a seed is the same in whatever batch it is drawn.
    pub seed: u64,
    /// Images at once, at most.
    pub batch: usize,
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
    let (items, size) = (labels.len(), model.config().image_size());
    let SampleOptions { steps, guidance, .. } = *options;
    let guided = guidance != 1.0;
    let mut all_labels = labels.to_vec();
    if guided {
        all_labels.resize(2 * items, model.config().classes as u32);
    }
    let batch = all_labels.len();
    let all_labels = stream.upload(&all_labels)?;
    let time = stream.allocate(batch)?;
    let dt = 1.0 / steps as f32;
    for step in 0..steps {
        Fill { out: &time, value: step as f32 / steps as f32 }.launch(stream)?;
        let input = Input { images: x, source_batch: items, time: &time, labels: &all_labels, batch };
        let velocity = model.forward(&mut Tape::inference(stream, model.parameters()), &input)?;
        if guided {
            GuidanceEuler { velocity: velocity.value(), x, guidance, dt, batch: items, size }.launch(stream)?;
        } else {
            Euler { velocity: velocity.value(), x, dt }.launch(stream)?;
        }
        stream.submit()?;
        if (step + 1).is_multiple_of(STEPS_AHEAD) || step + 1 == steps {
            stream.synchronize()?;
            progress(step + 1);
        }
    }
    Ok(())
}
