//! The loss.

use kernels::{ColumnSum, Mse, MseBackward};
use runtime::{Buffer, Result};

use crate::{Tape, Variable};

impl Tape<'_> {
    /// The mean over items of the mean of (prediction − target)², a single element, from
    /// prediction and target (B, size). It is left in `out` (1), where it can be read later.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn mean_squared_error(&mut self, prediction: &Variable, target: &Buffer, out: &Buffer) -> Result<Variable> {
        let (batch, size) = (prediction.rows(), prediction.columns());
        let items = self.allocate(batch, 1)?;
        Mse { prediction: prediction.value(), target, out: &items, batch, size }.launch(self.stream)?;
        let scale = 1.0 / batch as f32;
        ColumnSum { x: &items, out, rows: batch, columns: 1, scale, accumulate: false }.launch(self.stream)?;
        let (prediction, target) = (prediction.clone(), target.clone());
        Ok(self.push(out.clone(), 1, 1, move |back, upstream| {
            let out = back.stream.allocate(batch * size)?;
            MseBackward {
                prediction: prediction.value(),
                target: &target,
                upstream: &upstream,
                out: &out,
                batch,
                size,
            }
            .launch(back.stream)?;
            back.give(&prediction, out)
        }))
    }
}
