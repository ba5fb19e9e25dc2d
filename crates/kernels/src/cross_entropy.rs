//! Softmax cross-entropy.

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    rows: u32,
    classes: u32,
    not_a_number: f32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "cross_entropy",
    wgsl: wgsl!("cross_entropy"),
    parameters: FIELDS,
    bindings: &[Binding::read("logits"), Binding::read("labels"), Binding::write("out")],
    cpu,
};

/// out = log Σ exp(logits) − logits\[label\], row by row. A label that is no class gives NaN.
#[derive(Debug)]
pub struct CrossEntropy<'a> {
    /// (rows, classes).
    pub logits: &'a Buffer,
    /// (rows) of `u32`.
    pub labels: &'a Buffer,
    /// (rows).
    pub out: &'a Buffer,
    /// The number of rows.
    pub rows: usize,
    /// The number of classes.
    pub classes: usize,
}

impl CrossEntropy<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Self { rows, classes, .. } = *self;
        shape::expect(&KERNEL, "logits", self.logits, &[rows, classes])?;
        shape::expect(&KERNEL, "labels", self.labels, &[rows])?;
        shape::expect(&KERNEL, "out", self.out, &[rows])?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                rows: shape::dimension(&KERNEL, "rows", rows)?,
                classes: shape::dimension(&KERNEL, "classes", classes)?,
                not_a_number: f32::NAN,
            },
            buffers: &[self.logits, self.labels, self.out],
            constants: &[],
            workgroups: grid(rows, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let classes = parameters.classes as usize;
    let [logits, labels, out] = arguments.take();
    let (logits, labels) = (logits.read::<f32>(), labels.read::<u32>());
    parallel::reductions(out.write::<f32>(), classes, |row, out| {
        let logits = &logits[row * classes..][..classes];
        *out = match logits.get(labels[row] as usize) {
            Some(of_label) => {
                let (highest, sum) = highest_and_sum(logits);
                sum.ln() + (highest - of_label)
            }
            None => parameters.not_a_number,
        };
    });
}

/// The largest logit, and Σ exp(logit − largest).
pub(crate) fn highest_and_sum(logits: &[f32]) -> (f32, f32) {
    let highest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    (highest, logits.iter().map(|logit| (logit - highest).exp()).sum())
}
