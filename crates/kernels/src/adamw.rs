//! AdamW and the moving average of the parameters, in one pass over the arena.

use multiversion::multiversion;
use rayon::prelude::*;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    len: u32,
    rate: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    correction1: f32,
    correction2: f32,
    decay: f32,
}

const BINDINGS: &[Binding] = &[
    Binding::read("gradients"),
    Binding::read("clip"),
    Binding::write("p"),
    Binding::write("first"),
    Binding::write("second"),
    Binding::write("average"),
];

pub(crate) static KERNEL: Kernel =
    Kernel { name: "adamw", wgsl: wgsl!("adamw"), parameters: FIELDS, bindings: BINDINGS, cpu };

/// The variant for software adapters with integers of 64 bits: half of the loads and stores.
pub(crate) static PAIRS_KERNEL: Kernel =
    Kernel { name: "adamw_pairs", wgsl: wgsl!("adamw_pairs"), parameters: FIELDS, bindings: BINDINGS, cpu };

/// One step of AdamW with decoupled weight decay (Loshchilov and Hutter, 1711.05101, algorithm 2),
/// and average = decay · average + (1 − decay) · parameters. Where the clip factor is 0, because
/// the gradient was not finite, nothing changes.
#[derive(Debug)]
pub struct AdamW<'a> {
    /// (len)
    pub gradients: &'a Buffer,
    /// (2): the norm, and the factor that gradients are multiplied with.
    pub clip: &'a Buffer,
    /// (len)
    pub parameters: &'a Buffer,
    /// (len): the first moment.
    pub first: &'a Buffer,
    /// (len): the second moment.
    pub second: &'a Buffer,
    /// (len): the moving average of the parameters.
    pub average: &'a Buffer,
    /// The number of this step, from 1.
    pub step: u32,
    /// The learning rate.
    pub rate: f32,
    /// The decay of the first moment, in [0, 1).
    pub beta1: f32,
    /// The decay of the second moment, in [0, 1).
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// The share of each parameter that a step at rate 1 would take away.
    pub weight_decay: f32,
    /// The decay of the average, in [0, 1].
    pub decay: f32,
}

impl AdamW<'_> {
    /// Checks the shapes and launches the variant that suits the adapter.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        if shape::prefers_pairs(stream) { self.launch_pairs(stream) } else { self.launch_portable(stream) }
    }

    /// Checks the shapes and launches the kernel that runs on every adapter.
    ///
    /// # Errors
    /// As [`AdamW::launch`].
    pub fn launch_portable(&self, stream: &mut Stream) -> Result<()> {
        self.launch_kernel(stream, &KERNEL, 4)
    }

    /// Checks the shapes and launches the kernel for software adapters.
    ///
    /// # Errors
    /// As [`AdamW::launch`], also where the adapter has no integers of 64 bits.
    pub fn launch_pairs(&self, stream: &mut Stream) -> Result<()> {
        shape::expect_wide_integers(&PAIRS_KERNEL, stream)?;
        self.launch_kernel(stream, &PAIRS_KERNEL, 8)
    }

    /// An invocation of `kernel` updates `each` parameters.
    fn launch_kernel(&self, stream: &mut Stream, kernel: &'static Kernel, each: usize) -> Result<()> {
        shape::expect(kernel, "clip", self.clip, &[2])?;
        let arenas =
            [("gradients", self.gradients), ("first", self.first), ("second", self.second), ("average", self.average)];
        let len = shape::same_len(kernel, ("parameters", self.parameters), &arenas)?;
        let bias = |beta: f32| 1.0 - f64::from(beta).powf(f64::from(self.step));
        stream.launch(&Launch {
            kernel,
            parameters: Parameters {
                len,
                rate: self.rate,
                beta1: self.beta1,
                beta2: self.beta2,
                epsilon: self.epsilon,
                weight_decay: self.weight_decay,
                correction1: bias(self.beta1) as f32,
                correction2: bias(self.beta2).sqrt() as f32,
                decay: self.decay,
            },
            buffers: &[self.gradients, self.clip, self.parameters, self.first, self.second, self.average],
            constants: &[],
            workgroups: grid(self.parameters.len().div_ceil(each), 64),
        })
    }
}

/// Parameters that one task updates.
const BLOCK: usize = 8 * 1024;

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [gradients, clip, p, first, second, average] = arguments.take();
    let factor = clip.read::<f32>()[1];
    if factor == 0.0 {
        return;
    }
    p.write::<f32>()
        .par_chunks_mut(BLOCK)
        .zip(gradients.read::<f32>().par_chunks(BLOCK))
        .zip(first.write::<f32>().par_chunks_mut(BLOCK))
        .zip(second.write::<f32>().par_chunks_mut(BLOCK))
        .zip(average.write::<f32>().par_chunks_mut(BLOCK))
        .for_each(|((((p, gradients), first), second), average)| {
            update(&parameters, factor, gradients, p, first, second, average);
        });
}

#[multiversion(targets = "simd")]
fn update(
    parameters: &Parameters,
    factor: f32,
    gradients: &[f32],
    p: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
    average: &mut [f32],
) {
    let Parameters { rate, beta1, beta2, epsilon, weight_decay, correction1, correction2, decay, .. } = *parameters;
    let state = first.iter_mut().zip(second).zip(average);
    for ((p, gradient), ((first, second), average)) in p.iter_mut().zip(gradients).zip(state) {
        let g = gradient * factor;
        *first = beta1 * *first + (1.0 - beta1) * g;
        *second = beta2 * *second + (1.0 - beta2) * g * g;
        let step = rate / correction1 * *first / (second.sqrt() / correction2 + epsilon);
        *p = *p * (1.0 - rate * weight_decay) - step;
        *average = decay * *average + (1.0 - decay) * *p;
    }
}
