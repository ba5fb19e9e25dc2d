//! Label dropout for classifier-free guidance (Ho and Salimans, 2207.12598).

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, philox};
use crate::shape;

parameters! {
    seed_low: u32,
    seed_high: u32,
    step: u32,
    probability: f32,
    null_class: u32,
    len: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "label_dropout",
    wgsl: wgsl!("label_dropout"),
    parameters: FIELDS,
    bindings: &[Binding::write("labels")],
    cpu,
};

/// Makes each label the null class with a probability.
#[derive(Debug)]
pub struct LabelDropout<'a> {
    /// (batch) of `u32`, changed in place.
    pub labels: &'a Buffer,
    /// With the step and the item, what the draw depends on.
    pub seed: u64,
    /// The training step.
    pub step: u32,
    /// How likely a label is dropped: never at 0, always at 1.
    pub probability: f32,
    /// What a dropped label becomes.
    pub null_class: u32,
}

impl LabelDropout<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let len = shape::volume(&KERNEL, &[self.labels.len()])?;
        let probability = self.probability;
        shape::ensure(&KERNEL, (0.0..=1.0).contains(&probability), || {
            format!("the probability is {probability}, which is not within 0 and 1")
        })?;
        let [seed_low, seed_high] = philox::key(self.seed);
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                seed_low,
                seed_high,
                step: self.step,
                probability,
                null_class: self.null_class,
                len: shape::dimension(&KERNEL, "len", len)?,
            },
            buffers: &[self.labels],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { seed_low, seed_high, step, probability, null_class, .. } = parallel::parameters(parameters);
    let [labels] = arguments.take();
    parallel::chunks(labels.write::<u32>(), |start, labels| {
        for (item, label) in (start as u32..).zip(labels) {
            let [word, ..] = philox::philox4x32([0, item, step, philox::DROPOUT], [seed_low, seed_high]);
            if philox::to_uniform(word) < probability {
                *label = null_class;
            }
        }
    });
}
