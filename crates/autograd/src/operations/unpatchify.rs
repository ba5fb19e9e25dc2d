//! From patches to images.

use kernels::{PatchOrder, Patchify, Unpatchify};
use runtime::Result;

use crate::{Tape, Variable};

impl Tape<'_> {
    /// Puts patches (B · T, p · p · C), columns in the order row in patch, column in patch, channel,
    /// together to images (B, C · S · S).
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what the device reports.
    pub fn unpatchify(&mut self, patches: &Variable, channels: usize, side: usize, patch: usize) -> Result<Variable> {
        let (order, size) = (PatchOrder::ChannelLast, channels * side * side);
        let batch = patches.rows() * patches.columns() / size.max(1);
        let out = self.allocate(batch, size)?;
        Unpatchify { patches: patches.value(), out: &out, batch, channels, side, patch, order }.launch(self.stream)?;
        let patches = patches.clone();
        Ok(self.push(out, batch, size, move |back, upstream| {
            let out = back.stream.allocate(patches.value().len())?;
            Patchify { images: &upstream, out: &out, batch, source_batch: batch, channels, side, patch, order }
                .launch(back.stream)?;
            back.give(&patches, out)
        }))
    }
}
