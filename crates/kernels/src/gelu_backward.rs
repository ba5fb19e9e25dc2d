//! The gradient of GELU (tanh approximation). Its forward is an epilogue of the matrix product.

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{math, parallel};
use crate::shape;

parameters! {
    len: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "gelu_backward",
    wgsl: wgsl!("gelu_backward"),
    parameters: FIELDS,
    bindings: &[Binding::read("x"), Binding::read("upstream"), Binding::write("out")],
    cpu,
};

/// out = upstream · gelu'(x)
#[derive(Debug)]
pub struct GeluBackward<'a> {
    /// What GELU was given; any shape.
    pub x: &'a Buffer,
    /// The gradient at GELU's output; the shape of `x`.
    pub upstream: &'a Buffer,
    /// The gradient at `x`; the shape of `x`.
    pub out: &'a Buffer,
}

impl GeluBackward<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let others = [("upstream", self.upstream), ("out", self.out)];
        let len = shape::same_len(&KERNEL, ("x", self.x), &others)?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters { len },
            buffers: &[self.x, self.upstream, self.out],
            constants: &[],
            workgroups: grid(self.x.len(), 64),
        })
    }
}

fn cpu(_: &[u8], arguments: Arguments<'_>) {
    let [x, upstream, out] = arguments.take();
    let (x, upstream) = (x.read::<f32>(), upstream.read::<f32>());
    parallel::chunks(out.write::<f32>(), |start, out| {
        let range = start..start + out.len();
        gelu_backward(&x[range.clone()], &upstream[range], out);
    });
}

#[multiversion(targets = "simd")]
fn gelu_backward(x: &[f32], upstream: &[f32], out: &mut [f32]) {
    const FUSED: bool = math::fused!();
    for ((out, x), upstream) in out.iter_mut().zip(x).zip(upstream) {
        *out = upstream * math::gelu_derivative::<FUSED>(*x);
    }
}
