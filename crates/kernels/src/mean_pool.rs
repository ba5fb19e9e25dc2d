//! The mean of the tokens of each item.

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, sum};
use crate::shape;

parameters! {
    len: u32,
    tokens: u32,
    width: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "mean_pool",
    wgsl: wgsl!("mean_pool"),
    parameters: FIELDS,
    bindings: &[Binding::read("x"), Binding::write("out")],
    cpu,
};

/// out = the mean over the tokens of each item.
#[derive(Debug)]
pub struct MeanPool<'a> {
    /// (batch · tokens, width).
    pub x: &'a Buffer,
    /// (batch, width).
    pub out: &'a Buffer,
    /// The number of items.
    pub batch: usize,
    /// The tokens of an item.
    pub tokens: usize,
    /// The elements of a token.
    pub width: usize,
}

impl MeanPool<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Self { batch, tokens, width, .. } = *self;
        shape::expect(&KERNEL, "x", self.x, &[batch, tokens, width])?;
        shape::expect(&KERNEL, "out", self.out, &[batch, width])?;
        let len = self.out.len();
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                len: shape::dimension(&KERNEL, "len", len)?,
                tokens: shape::dimension(&KERNEL, "tokens", tokens)?,
                width: shape::dimension(&KERNEL, "width", width)?,
            },
            buffers: &[self.x, self.out],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let (tokens, width) = (parameters.tokens as usize, parameters.width as usize);
    let [x, out] = arguments.take();
    let x = x.read::<f32>();
    parallel::rows(out.write::<f32>(), width, |item, out| mean(&x[item * tokens * width..][..tokens * width], out));
}

/// The tokens of one item.
#[multiversion(targets = "simd")]
fn mean(x: &[f32], out: &mut [f32]) {
    let tokens = (x.len() / out.len()) as f32;
    out.fill(0.0);
    sum::add_rows(x, out);
    for sum in out {
        *sum /= tokens;
    }
}
