//! The gradient of the mean of [`CrossEntropy`](crate::CrossEntropy) over the rows.

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::cross_entropy::highest_and_sum;
use crate::shape;

parameters! {
    rows: u32,
    classes: u32,
    scale: f32,
    not_a_number: f32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "cross_entropy_backward",
    wgsl: wgsl!("cross_entropy_backward"),
    parameters: FIELDS,
    bindings: &[Binding::read("logits"), Binding::read("labels"), Binding::read("upstream"), Binding::write("out")],
    cpu,
};

/// out = upstream · (softmax(logits) − one-hot(label)) / rows. A row gives NaN where its label is no class, or a logit
/// is NaN or +∞.
#[derive(Debug)]
pub struct CrossEntropyBackward<'a> {
    /// (rows, classes).
    pub logits: &'a Buffer,
    /// (rows) of `u32`.
    pub labels: &'a Buffer,
    /// (1): the gradient of the mean over the rows.
    pub upstream: &'a Buffer,
    /// (rows, classes).
    pub out: &'a Buffer,
    /// The number of rows.
    pub rows: usize,
    /// The number of classes.
    pub classes: usize,
}

impl CrossEntropyBackward<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Self { rows, classes, .. } = *self;
        shape::expect(&KERNEL, "logits", self.logits, &[rows, classes])?;
        shape::expect(&KERNEL, "labels", self.labels, &[rows])?;
        shape::expect(&KERNEL, "upstream", self.upstream, &[1])?;
        shape::expect(&KERNEL, "out", self.out, &[rows, classes])?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                rows: shape::dimension(&KERNEL, "rows", rows)?,
                classes: shape::dimension(&KERNEL, "classes", classes)?,
                scale: 1.0 / rows as f32,
                not_a_number: f32::NAN,
            },
            buffers: &[self.logits, self.labels, self.upstream, self.out],
            constants: &[],
            workgroups: grid(rows, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let classes = parameters.classes as usize;
    let [logits, labels, upstream, out] = arguments.take();
    let (logits, labels) = (logits.read::<f32>(), labels.read::<u32>());
    let scale = parameters.scale * upstream.read::<f32>()[0];
    parallel::rows(out.write::<f32>(), classes, |row, out| {
        let logits = &logits[row * classes..][..classes];
        let label = labels[row] as usize;
        let (highest, sum) = highest_and_sum(logits);
        let scale = if label < classes { scale } else { parameters.not_a_number };
        for (class, (out, logit)) in out.iter_mut().zip(logits).enumerate() {
            let wanted = if class == label { 1.0 } else { 0.0 };
            *out = scale * ((logit - highest).exp() / sum - wanted);
        }
    });
}
