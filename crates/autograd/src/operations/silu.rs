//! SiLU.

use kernels::{Silu, SiluBackward};
use runtime::Result;

use crate::{Tape, Variable};

impl Tape<'_> {
    /// x · sigmoid(x), element by element.
    ///
    /// # Errors
    /// What the device reports.
    pub fn silu(&mut self, x: &Variable) -> Result<Variable> {
        let out = self.allocate(x.rows(), x.columns())?;
        Silu { x: x.value(), out: &out }.launch(self.stream)?;
        let (rows, columns, x) = (x.rows(), x.columns(), x.clone());
        Ok(self.push(out, rows, columns, move |back, upstream| {
            let Some((out, accumulate)) = back.target(&x)? else { return Ok(()) };
            SiluBackward { x: x.value(), upstream: &upstream, out: &out, accumulate }.launch(back.stream)
        }))
    }
}
