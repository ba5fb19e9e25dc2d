//! Label embeddings.

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    len: u32,
    width: u32,
    rows: u32,
    not_a_number: f32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "label_embedding",
    wgsl: wgsl!("label_embedding"),
    parameters: FIELDS,
    bindings: &[Binding::read("labels"), Binding::read("table"), Binding::read("x"), Binding::write("out")],
    cpu,
};

/// out = x + table\[label\], item by item. A label that the table has not gives NaN.
#[derive(Debug)]
pub struct LabelEmbedding<'a> {
    /// (batch) of `u32`.
    pub labels: &'a Buffer,
    /// (rows, width).
    pub table: &'a Buffer,
    /// (batch, width).
    pub x: &'a Buffer,
    /// (batch, width).
    pub out: &'a Buffer,
    /// The number of items.
    pub batch: usize,
    /// The width of an embedding.
    pub width: usize,
    /// The number of labels.
    pub rows: usize,
}

impl LabelEmbedding<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Self { batch, width, rows, .. } = *self;
        shape::expect(&KERNEL, "labels", self.labels, &[batch])?;
        shape::expect(&KERNEL, "table", self.table, &[rows, width])?;
        shape::expect(&KERNEL, "x", self.x, &[batch, width])?;
        shape::expect(&KERNEL, "out", self.out, &[batch, width])?;
        let len = self.out.len();
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                len: shape::dimension(&KERNEL, "len", len)?,
                width: shape::dimension(&KERNEL, "width", width)?,
                rows: shape::dimension(&KERNEL, "rows", rows)?,
                not_a_number: f32::NAN,
            },
            buffers: &[self.labels, self.table, self.x, self.out],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { width, rows, not_a_number, .. } = parallel::parameters(parameters);
    let width = width as usize;
    let [labels, table, x, out] = arguments.take();
    let (labels, table, x) = (labels.read::<u32>(), table.read::<f32>(), x.read::<f32>());
    parallel::rows(out.write::<f32>(), width, |item, out| match labels[item] {
        label if label < rows => sum(&x[item * width..], &table[label as usize * width..], out),
        _ => out.fill(not_a_number),
    });
}

#[multiversion(targets = "simd")]
fn sum(x: &[f32], embedding: &[f32], out: &mut [f32]) {
    for (out, (x, embedding)) in out.iter_mut().zip(x.iter().zip(embedding)) {
        *out = x + embedding;
    }
}
