//! Softmax attention.

use kernels::{Attention, AttentionBackward, Heads};
use runtime::Result;

use crate::{Tape, Variable};

impl Tape<'_> {
    /// softmax(q · kᵀ / √head_dim) · v of every head, from qkv (B · T, 3 · D) to (B · T, D).
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn attention(&mut self, qkv: &Variable, heads: Heads) -> Result<Variable> {
        let (rows, width) = (qkv.rows(), heads.width());
        let (out, log_sum) = (self.allocate(rows, width)?, self.allocate(rows, heads.heads)?);
        Attention { qkv: qkv.value(), out: &out, log_sum: &log_sum, heads }.launch(self.stream)?;
        let (qkv, output) = (qkv.clone(), out.clone());
        Ok(self.push(out, rows, width, move |back, upstream| {
            let out = back.stream.allocate(qkv.value().len())?;
            AttentionBackward {
                qkv: qkv.value(),
                output: &output,
                log_sum: &log_sum,
                upstream: &upstream,
                out: &out,
                heads,
            }
            .launch(back.stream)?;
            back.give(&qkv, out)
        }))
    }
}
