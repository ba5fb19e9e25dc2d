//! The gradient of [`MeanPool`](crate::MeanPool).

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    len: u32,
    tokens: u32,
    width: u32,
    accumulate: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "mean_pool_backward",
    wgsl: wgsl!("mean_pool_backward"),
    parameters: FIELDS,
    bindings: &[Binding::read("upstream"), Binding::write("out")],
    cpu,
};

/// out (+)= upstream / tokens, the same for every token of an item.
#[derive(Debug)]
pub struct MeanPoolBackward<'a> {
    /// (batch, width).
    pub upstream: &'a Buffer,
    /// (batch · tokens, width).
    pub out: &'a Buffer,
    /// The number of items.
    pub batch: usize,
    /// The tokens of an item.
    pub tokens: usize,
    /// The elements of a token.
    pub width: usize,
    /// Add to `out` instead of overwriting it.
    pub accumulate: bool,
}

impl MeanPoolBackward<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Self { batch, tokens, width, .. } = *self;
        shape::expect(&KERNEL, "upstream", self.upstream, &[batch, width])?;
        shape::expect(&KERNEL, "out", self.out, &[batch, tokens, width])?;
        let len = self.out.len();
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                len: shape::dimension(&KERNEL, "len", len)?,
                tokens: shape::dimension(&KERNEL, "tokens", tokens)?,
                width: shape::dimension(&KERNEL, "width", width)?,
                accumulate: u32::from(self.accumulate),
            },
            buffers: &[self.upstream, self.out],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { tokens, width, accumulate, .. } = parallel::parameters(parameters);
    let [upstream, out] = arguments.take();
    let upstream = upstream.read::<f32>();
    parallel::rows(out.write::<f32>(), width as usize, |row, out| {
        let item = row / tokens as usize;
        spread(&upstream[item * width as usize..][..out.len()], tokens as f32, accumulate != 0, out);
    });
}

#[multiversion(targets = "simd")]
fn spread(upstream: &[f32], tokens: f32, accumulate: bool, out: &mut [f32]) {
    for (out, upstream) in out.iter_mut().zip(upstream) {
        let before = if accumulate { *out } else { 0.0 };
        *out = before + upstream / tokens;
    }
}
