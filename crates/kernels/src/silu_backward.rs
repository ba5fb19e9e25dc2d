//! The gradient of SiLU.

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{math, parallel};
use crate::shape;

parameters! {
    len: u32,
    accumulate: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "silu_backward",
    wgsl: wgsl!("silu_backward"),
    parameters: FIELDS,
    bindings: &[Binding::read("x"), Binding::read("upstream"), Binding::write("out")],
    cpu,
};

/// out (+)= upstream · s(x) · (1 + x · (1 − s(x))), s the sigmoid.
#[derive(Debug)]
pub struct SiluBackward<'a> {
    /// What SiLU was given; any shape.
    pub x: &'a Buffer,
    /// The gradient at SiLU's output; the shape of `x`.
    pub upstream: &'a Buffer,
    /// The gradient at `x`; the shape of `x`.
    pub out: &'a Buffer,
    /// Add to `out` instead of overwriting it.
    pub accumulate: bool,
}

impl SiluBackward<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let others = [("upstream", self.upstream), ("out", self.out)];
        let len = shape::same_len(&KERNEL, ("x", self.x), &others)?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters { len, accumulate: u32::from(self.accumulate) },
            buffers: &[self.x, self.upstream, self.out],
            constants: &[],
            workgroups: grid(self.x.len(), 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { accumulate, .. } = parallel::parameters(parameters);
    let [x, upstream, out] = arguments.take();
    let (x, upstream) = (x.read::<f32>(), upstream.read::<f32>());
    parallel::chunks(out.write::<f32>(), |start, out| {
        let range = start..start + out.len();
        silu_backward(&x[range.clone()], &upstream[range], out, accumulate != 0);
    });
}

#[multiversion(targets = "simd")]
fn silu_backward(x: &[f32], upstream: &[f32], out: &mut [f32], accumulate: bool) {
    for ((out, x), upstream) in out.iter_mut().zip(x).zip(upstream) {
        let s = math::sigmoid(*x);
        let gradient = upstream * s * (1.0 + x * (1.0 - s));
        *out = if accumulate { *out + gradient } else { gradient };
    }
}
