//! How the error of a step compares with what is allowed (Hairer, Nørsett and Wanner, Solving Ordinary Differential
//! Equations I, II.4).

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, sum};
use crate::shape;

parameters! {
    batch: u32,
    size: u32,
    absolute: f32,
    relative: f32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "scaled_error",
    wgsl: wgsl!("scaled_error"),
    parameters: FIELDS,
    bindings: &[Binding::read("error"), Binding::read("before"), Binding::read("after"), Binding::write("out")],
    cpu,
};

/// The invocations of a workgroup.
const LANES: usize = 64;

/// out = the mean over each item of (error / (absolute + relative · max(|before|, |after|)))².
#[derive(Debug)]
pub struct ScaledError<'a> {
    /// (batch, size).
    pub error: &'a Buffer,
    /// (batch, size): the point before the step.
    pub before: &'a Buffer,
    /// (batch, size): the point after it.
    pub after: &'a Buffer,
    /// (batch).
    pub out: &'a Buffer,
    /// The error allowed whatever the value.
    pub absolute: f32,
    /// The error allowed as a part of the value.
    pub relative: f32,
    /// The number of items.
    pub batch: usize,
    /// The elements of an item.
    pub size: usize,
}

impl ScaledError<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let items = [self.batch, self.size];
        shape::expect(&KERNEL, "error", self.error, &items)?;
        shape::expect(&KERNEL, "before", self.before, &items)?;
        shape::expect(&KERNEL, "after", self.after, &items)?;
        shape::expect(&KERNEL, "out", self.out, &[self.batch])?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                batch: shape::dimension(&KERNEL, "batch", self.batch)?,
                size: shape::dimension(&KERNEL, "size", self.size)?,
                absolute: self.absolute,
                relative: self.relative,
            },
            buffers: &[self.error, self.before, self.after, self.out],
            constants: &[],
            workgroups: grid(self.batch * LANES, LANES),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { size, absolute, relative, .. } = parallel::parameters(parameters);
    let size = size as usize;
    let [error, before, after, out] = arguments.take();
    let (error, before, after) = (error.read::<f32>(), before.read::<f32>(), after.read::<f32>());
    parallel::reductions(out.write::<f32>(), size, |item, out| {
        let range = item * size..(item + 1) * size;
        let (error, before, after) = (&error[range.clone()], &before[range.clone()], &after[range]);
        *out = sum_of_squares(error, before, after, [absolute, relative]) / size as f32;
    });
}

#[multiversion(targets = "simd")]
fn sum_of_squares(error: &[f32], before: &[f32], after: &[f32], [absolute, relative]: [f32; 2]) -> f32 {
    sum::sum_by([error, before, after], |[error, before, after]| {
        let (one, other) = (before.abs(), after.abs());
        let larger = 0.5 * (one + other + (one - other).abs()); // which keeps NaN, as max does not
        let share = error / (absolute + relative * larger);
        share * share
    })
}
