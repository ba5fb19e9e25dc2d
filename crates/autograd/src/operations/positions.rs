//! Position embeddings.

use kernels::AddPositions;
use runtime::{Buffer, Result};

use crate::{Tape, Variable};

impl Tape<'_> {
    /// Adds the same (T, D) positions to every item of x (B · T, D), in place: no operation needs
    /// the sum's terms to go back, and the gradient passes through unchanged.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn add_positions(&mut self, x: Variable, positions: &Buffer, tokens: usize) -> Result<Variable> {
        let (batch, width) = (x.rows() / tokens, x.columns());
        AddPositions { positions, x: x.value(), batch, tokens, width }.launch(self.stream)?;
        Ok(x)
    }
}
