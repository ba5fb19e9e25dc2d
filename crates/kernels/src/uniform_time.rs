//! Times drawn uniformly.

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, philox};
use crate::shape;

parameters! {
    seed_low: u32,
    seed_high: u32,
    step: u32,
    len: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "uniform_time",
    wgsl: wgsl!("uniform_time"),
    parameters: FIELDS,
    bindings: &[Binding::write("out")],
    cpu,
};

/// A time for each item, uniform and strictly between 0 and 1.
#[derive(Debug)]
pub struct UniformTime<'a> {
    /// (batch).
    pub out: &'a Buffer,
    /// With the step and the item, what the draw depends on.
    pub seed: u64,
    /// The training step.
    pub step: u32,
}

impl UniformTime<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let len = shape::volume(&KERNEL, &[self.out.len()])?;
        let [seed_low, seed_high] = philox::key(self.seed);
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                seed_low,
                seed_high,
                step: self.step,
                len: shape::dimension(&KERNEL, "len", len)?,
            },
            buffers: &[self.out],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { seed_low, seed_high, step, .. } = parallel::parameters(parameters);
    let [out] = arguments.take();
    parallel::chunks(out.write::<f32>(), |start, out| {
        for (item, out) in (start as u32..).zip(out) {
            let [word, ..] = philox::philox4x32([0, item, step, philox::TIME], [seed_low, seed_high]);
            *out = philox::to_uniform(word);
        }
    });
}
