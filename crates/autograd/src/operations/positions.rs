//! Position embeddings.

use kernels::AddPositions;
use runtime::{Buffer, Result};

use crate::{Tape, Variable};

impl Tape<'_> {
    /// Adds the same (T, D) positions to every item of x (B · T, D); the gradient passes through
    /// unchanged. It happens in place, unless something else still needs x as it was.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn add_positions(&mut self, x: Variable, positions: &Buffer, tokens: usize) -> Result<Variable> {
        let (batch, width) = (x.rows() / tokens.max(1), x.columns());
        let sum = if x.value().is_shared() {
            let copy = self.allocate(x.rows(), width)?;
            self.stream.copy(x.value(), &copy)?;
            x.with_value(copy)
        } else {
            x
        };
        AddPositions { positions, x: sum.value(), batch, tokens, width }.launch(self.stream)?;
        Ok(sum)
    }
}
