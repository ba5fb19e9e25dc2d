//! The gradient of [`LabelEmbedding`](crate::LabelEmbedding) by its table.

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, sum};
use crate::shape;

parameters! {
    batch: u32,
    width: u32,
    rows: u32,
    accumulate: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "label_embedding_backward",
    wgsl: wgsl!("label_embedding_backward"),
    parameters: FIELDS,
    bindings: &[Binding::read("labels"), Binding::read("upstream"), Binding::write("out")],
    cpu,
};

/// out\[row\] = the sum of upstream over the items whose label is the row. Labels that the table has
/// not have no gradient.
#[derive(Debug)]
pub struct LabelEmbeddingBackward<'a> {
    /// (batch) of `u32`.
    pub labels: &'a Buffer,
    /// (batch, width).
    pub upstream: &'a Buffer,
    /// (rows, width).
    pub out: &'a Buffer,
    /// The number of items.
    pub batch: usize,
    /// The width of an embedding.
    pub width: usize,
    /// The number of labels.
    pub rows: usize,
    /// Whether to add to `out` instead of overwriting it.
    pub accumulate: bool,
}

impl LabelEmbeddingBackward<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Self { batch, width, rows, accumulate, .. } = *self;
        shape::expect(&KERNEL, "labels", self.labels, &[batch])?;
        shape::expect(&KERNEL, "upstream", self.upstream, &[batch, width])?;
        shape::expect(&KERNEL, "out", self.out, &[rows, width])?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                batch: shape::dimension(&KERNEL, "batch", batch)?,
                width: shape::dimension(&KERNEL, "width", width)?,
                rows: shape::dimension(&KERNEL, "rows", rows)?,
                accumulate: u32::from(accumulate),
            },
            buffers: &[self.labels, self.upstream, self.out],
            constants: &[],
            workgroups: grid(self.out.len(), 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { width, accumulate, .. } = parallel::parameters(parameters);
    let width = width as usize;
    let [labels, upstream, out] = arguments.take();
    let (labels, upstream) = (labels.read::<u32>(), upstream.read::<f32>());
    parallel::rows(out.write::<f32>(), width, |row, out| {
        if accumulate == 0 {
            out.fill(0.0);
        }
        for (label, upstream) in labels.iter().zip(upstream.chunks_exact(width)) {
            if *label as usize == row {
                sum::add_rows(upstream, out);
            }
        }
    });
}
