//! The mean squared error of each item.

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    batch: u32,
    size: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "mse",
    wgsl: wgsl!("mse"),
    parameters: FIELDS,
    // `target` alone is a reserved word of WGSL.
    bindings: &[Binding::read("prediction"), Binding::read("target_values"), Binding::write("out")],
    cpu,
};

/// out = the mean over each item of (prediction - target)².
#[derive(Debug)]
pub struct Mse<'a> {
    /// (batch, size).
    pub prediction: &'a Buffer,
    /// (batch, size).
    pub target: &'a Buffer,
    /// (batch).
    pub out: &'a Buffer,
    /// The number of items.
    pub batch: usize,
    /// The elements of an item.
    pub size: usize,
}

impl Mse<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        shape::expect(&KERNEL, "prediction", self.prediction, &[self.batch, self.size])?;
        shape::expect(&KERNEL, "target", self.target, &[self.batch, self.size])?;
        shape::expect(&KERNEL, "out", self.out, &[self.batch])?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                batch: shape::dimension(&KERNEL, "batch", self.batch)?,
                size: shape::dimension(&KERNEL, "size", self.size)?,
            },
            buffers: &[self.prediction, self.target, self.out],
            constants: &[],
            workgroups: grid(self.batch * LANES, LANES),
        })
    }
}

/// The lanes among which an item's sum is split, on the GPU and here.
const LANES: usize = 64;

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let size = parallel::parameters::<Parameters>(parameters).size as usize;
    let [prediction, target, out] = arguments.take();
    let (prediction, target) = (prediction.read::<f32>(), target.read::<f32>());
    parallel::reductions(out.write::<f32>(), size, |item, out| {
        let range = item * size..(item + 1) * size;
        *out = sum_of_squared_differences(&prediction[range.clone()], &target[range]) / size as f32;
    });
}

#[multiversion(targets = "simd")]
fn sum_of_squared_differences(prediction: &[f32], target: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    for (prediction, target) in prediction.chunks(LANES).zip(target.chunks(LANES)) {
        for (sum, (prediction, target)) in sums.iter_mut().zip(prediction.iter().zip(target)) {
            let difference = prediction - target;
            *sum += difference * difference;
        }
    }
    sums.iter().sum()
}
