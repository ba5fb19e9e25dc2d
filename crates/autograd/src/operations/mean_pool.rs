//! The mean of tokens.

use kernels::{MeanPool, MeanPoolBackward};
use runtime::Result;

use crate::{Tape, Variable};

impl Tape<'_> {
    /// The mean over the tokens of each item, (B, D), from x (B · T, D).
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn mean_pool(&mut self, x: &Variable, tokens: usize) -> Result<Variable> {
        let (batch, width) = (x.rows() / tokens.max(1), x.columns());
        let out = self.allocate(batch, width)?;
        MeanPool { x: x.value(), out: &out, batch, tokens, width }.launch(self.stream)?;
        let x = x.clone();
        Ok(self.push(out, batch, width, move |back, upstream| {
            let Some((out, accumulate)) = back.target(&x)? else { return Ok(()) };
            MeanPoolBackward { upstream: &upstream, out: &out, batch, tokens, width, accumulate }.launch(back.stream)
        }))
    }
}
