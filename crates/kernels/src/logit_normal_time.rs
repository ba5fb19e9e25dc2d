//! Times whose logit is normal (Esser et al., 2403.03206, section 3.1).

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::normal::normals;
use crate::cpu::{math, parallel, philox};
use crate::shape;

parameters! {
    seed_low: u32,
    seed_high: u32,
    step: u32,
    len: u32,
    mean: f32,
    deviation: f32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "logit_normal_time",
    wgsl: wgsl!("logit_normal_time"),
    parameters: FIELDS,
    bindings: &[Binding::write("out")],
    cpu,
};

/// The ends of what uniform times are drawn from: ½ · 2⁻²⁴ and 1 − 2⁻²⁴.
const FIRST: f32 = 2.980_232_2e-8;
const LAST: f32 = 0.999_999_94;
/// Beyond these logits a time is `FIRST` or `LAST`, and e to the logit is still a float.
const MOST: f32 = 20.0;

/// A time for each item with ln(t / (1 − t)) normal, within [2⁻²⁵, 1 − 2⁻²⁴].
#[derive(Debug)]
pub struct LogitNormalTime<'a> {
    /// (batch).
    pub out: &'a Buffer,
    /// With the step and the item, what the draw depends on.
    pub seed: u64,
    /// The training step.
    pub step: u32,
    /// The mean of the logit: above 0 times are nearer to the data, at t = 1, below 0 to the noise.
    pub mean: f32,
    /// The standard deviation of the logit, at least 0.
    pub deviation: f32,
}

impl LogitNormalTime<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], also for a mean or deviation that is none, and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Self { seed, step, mean, deviation, .. } = *self;
        let len = shape::volume(&KERNEL, &[self.out.len()])?;
        shape::ensure(&KERNEL, mean.is_finite() && deviation.is_finite() && deviation >= 0.0, || {
            format!("no normal distribution has mean {mean} and deviation {deviation}")
        })?;
        let [seed_low, seed_high] = philox::key(seed);
        let len_word = shape::dimension(&KERNEL, "len", len)?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters { seed_low, seed_high, step, len: len_word, mean, deviation },
            buffers: &[self.out],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { seed_low, seed_high, step, mean, deviation, .. } = parallel::parameters(parameters);
    let [out] = arguments.take();
    parallel::chunks(out.write::<f32>(), |start, out| {
        for (item, out) in (start as u32..).zip(out) {
            let [radius, angle, ..] = philox::philox4x32([0, item, step, philox::TIME], [seed_low, seed_high]);
            let [normal, _] = normals(radius, angle);
            *out = math::sigmoid((mean + deviation * normal).clamp(-MOST, MOST)).clamp(FIRST, LAST);
        }
    });
}
