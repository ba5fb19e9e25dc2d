//! Label embeddings.

use kernels::{LabelEmbedding, LabelEmbeddingBackward};
use runtime::{Buffer, Result};

use crate::{Parameter, Tape, Variable};

impl Tape<'_> {
    /// `x + table[labels]`, with x (B, D), labels (B) of `u32`, and a table (rows, D).
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn label_embedding(&mut self, x: &Variable, labels: &Buffer, table: Parameter) -> Result<Variable> {
        let (batch, width) = (x.rows(), x.columns());
        let rows = self.parameters.rows(table);
        let out = self.allocate(batch, width)?;
        let values = &self.parameters.value(table);
        LabelEmbedding { labels, table: values, x: x.value(), out: &out, batch, width, rows }.launch(self.stream)?;
        let (x, labels) = (x.clone(), labels.clone());
        Ok(self.push(out, batch, width, move |back, upstream| {
            let (out, accumulate) = back.parameter_target(table);
            LabelEmbeddingBackward { labels: &labels, upstream: &upstream, out: &out, batch, width, rows, accumulate }
                .launch(back.stream)?;
            back.give(&x, upstream)
        }))
    }
}
