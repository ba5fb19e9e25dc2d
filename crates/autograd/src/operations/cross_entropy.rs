//! Softmax cross-entropy: the loss of classifiers.

use kernels::{ColumnSum, CrossEntropy, CrossEntropyBackward};
use runtime::{Buffer, Result};

use crate::{Tape, Variable};

impl Tape<'_> {
    /// The mean over the rows of log Σ exp(logits) − logits\[label\], a single element, from logits (B, classes)
    /// and labels (B) of `u32`, each below the number of classes. It is left in `out` (1).
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn cross_entropy(&mut self, logits: &Variable, labels: &Buffer, out: &Buffer) -> Result<Variable> {
        let (rows, classes) = (logits.rows(), logits.columns());
        let items = self.allocate(rows, 1)?;
        CrossEntropy { logits: logits.value(), labels, out: &items, rows, classes }.launch(self.stream)?;
        let scale = 1.0 / rows as f32;
        ColumnSum { x: &items, out, rows, columns: 1, scale, accumulate: false }.launch(self.stream)?;
        let (logits, labels) = (logits.clone(), labels.clone());
        Ok(self.push(out.clone(), 1, 1, move |back, upstream| {
            let out = back.stream.allocate(rows * classes)?;
            CrossEntropyBackward {
                logits: logits.value(),
                labels: &labels,
                upstream: &upstream,
                out: &out,
                rows,
                classes,
            }
            .launch(back.stream)?;
            back.give(&logits, out)
        }))
    }
}
