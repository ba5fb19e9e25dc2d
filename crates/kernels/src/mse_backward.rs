//! The gradient of the mean of [`Mse`](crate::Mse) over the batch.

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    len: u32,
    scale: f32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "mse_backward",
    wgsl: wgsl!("mse_backward"),
    parameters: FIELDS,
    bindings: &[
        Binding::read("prediction"),
        Binding::read("target_values"),
        Binding::read("upstream"),
        Binding::write("out"),
    ],
    cpu,
};

/// out = upstream · 2 (prediction - target) / (batch · size).
#[derive(Debug)]
pub struct MseBackward<'a> {
    /// (batch, size).
    pub prediction: &'a Buffer,
    /// (batch, size).
    pub target: &'a Buffer,
    /// (1): the gradient of the mean over the batch.
    pub upstream: &'a Buffer,
    /// (batch, size).
    pub out: &'a Buffer,
    /// The number of items.
    pub batch: usize,
    /// The elements of an item.
    pub size: usize,
}

impl MseBackward<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let items = [self.batch, self.size];
        shape::expect(&KERNEL, "prediction", self.prediction, &items)?;
        shape::expect(&KERNEL, "target", self.target, &items)?;
        shape::expect(&KERNEL, "upstream", self.upstream, &[1])?;
        shape::expect(&KERNEL, "out", self.out, &items)?;
        let len = self.out.len();
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters { len: shape::dimension(&KERNEL, "len", len)?, scale: (2.0 / len as f64) as f32 },
            buffers: &[self.prediction, self.target, self.upstream, self.out],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { scale, .. } = parallel::parameters(parameters);
    let [prediction, target, upstream, out] = arguments.take();
    let (prediction, target) = (prediction.read::<f32>(), target.read::<f32>());
    let scale = scale * upstream.read::<f32>()[0];
    parallel::chunks(out.write::<f32>(), |start, out| {
        scaled_difference(scale, &prediction[start..], &target[start..], out)
    });
}

#[multiversion(targets = "simd")]
fn scaled_difference(scale: f32, prediction: &[f32], target: &[f32], out: &mut [f32]) {
    for (out, (prediction, target)) in out.iter_mut().zip(prediction.iter().zip(target)) {
        *out = scale * (prediction - target);
    }
}
