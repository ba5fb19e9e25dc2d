//! Position embeddings.

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, sum};
use crate::shape;

parameters! {
    len: u32,
    period: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "add_positions",
    wgsl: wgsl!("add_positions"),
    parameters: FIELDS,
    bindings: &[Binding::read("positions"), Binding::write("x")],
    cpu,
};

/// x += positions, the same for every item of the batch.
#[derive(Debug)]
pub struct AddPositions<'a> {
    /// (tokens, width).
    pub positions: &'a Buffer,
    /// (batch · tokens, width), changed in place.
    pub x: &'a Buffer,
    /// The number of items.
    pub batch: usize,
    /// The tokens of an item.
    pub tokens: usize,
    /// The width of a token.
    pub width: usize,
}

impl AddPositions<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Self { batch, tokens, width, .. } = *self;
        shape::expect(&KERNEL, "positions", self.positions, &[tokens, width])?;
        shape::expect(&KERNEL, "x", self.x, &[batch, tokens, width])?;
        let len = self.x.len();
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                len: shape::dimension(&KERNEL, "len", len)?,
                period: shape::dimension(&KERNEL, "period", tokens * width)?,
            },
            buffers: &[self.positions, self.x],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(_: &[u8], arguments: Arguments<'_>) {
    let [positions, x] = arguments.take();
    let positions = positions.read::<f32>();
    parallel::rows(x.write::<f32>(), positions.len(), |_, x| sum::add_rows(positions, x));
}
