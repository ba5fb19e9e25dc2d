//! Partial sums of squares: the first half of a norm.

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream};

use crate::cpu::{parallel, sum};
use crate::shape;

parameters! {
    len: u32,
    partials: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "sum_of_squares",
    wgsl: wgsl!("sum_of_squares"),
    parameters: FIELDS,
    bindings: &[Binding::read("x"), Binding::write("partials")],
    cpu,
};

/// Partial sums whose total is Σ x². Which elements go into which is the device's choice.
#[derive(Debug)]
pub struct SumOfSquares<'a> {
    /// Any shape.
    pub x: &'a Buffer,
    /// Any number of partial sums, up to 65,535.
    pub partials: &'a Buffer,
}

impl SumOfSquares<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let len = shape::volume(&KERNEL, &[self.x.len()])?;
        let partials = shape::volume(&KERNEL, &[self.partials.len()])?;
        let partials = shape::dimension(&KERNEL, "partials", partials)?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters { len: shape::dimension(&KERNEL, "len", len)?, partials },
            buffers: &[self.x, self.partials],
            constants: &[],
            workgroups: [partials, 1, 1],
        })
    }
}

fn cpu(_: &[u8], arguments: Arguments<'_>) {
    let [x, partials] = arguments.take();
    let (x, partials) = (x.read::<f32>(), partials.write::<f32>());
    let share = x.len().div_ceil(partials.len());
    parallel::blocks(partials, 1, |index, out| {
        let start = (index * share).min(x.len());
        out[0] = squares(&x[start..(start + share).min(x.len())]);
    });
}

#[multiversion(targets = "simd")]
fn squares(x: &[f32]) -> f32 {
    sum::sum_by([x], |[x]| x * x)
}
