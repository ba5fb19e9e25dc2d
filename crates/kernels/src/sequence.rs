//! The shape that adaLN kernels work on.

use runtime::{Buffer, Kernel, Result};

use crate::shape;

/// A batch of token sequences, and a table with a row of modulation for each item: shifts, scales
/// and gates side by side, `width` columns each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// Items, B.
    pub batch: usize,
    /// Tokens of an item, T.
    pub tokens: usize,
    /// Columns of a token, D.
    pub width: usize,
    /// Columns of the modulation: six chunks of D for a block, two for the final layer, and those of others beside them.
    pub modulation_width: usize,
}

impl Sequence {
    /// B · T
    pub(crate) fn rows(&self) -> usize {
        self.batch * self.tokens
    }

    /// Refuses a buffer that is not (B · T, D).
    pub(crate) fn expect_tokens(&self, kernel: &Kernel, binding: &str, buffer: &Buffer) -> Result<()> {
        shape::expect(kernel, binding, buffer, &[self.batch, self.tokens, self.width])
    }

    /// Refuses a buffer that is not (B · T, 2).
    pub(crate) fn expect_statistics(&self, kernel: &Kernel, buffer: &Buffer) -> Result<()> {
        shape::expect(kernel, "statistics", buffer, &[self.batch, self.tokens, 2])
    }

    /// Refuses a modulation that is not (B, modulation_width), or too narrow for these chunks, given
    /// by name and first column.
    pub(crate) fn expect_modulation(
        &self,
        kernel: &Kernel,
        binding: &str,
        buffer: &Buffer,
        chunks: &[(&str, usize)],
    ) -> Result<()> {
        shape::expect(kernel, binding, buffer, &[self.batch, self.modulation_width])?;
        for (name, first) in chunks {
            shape::expect_columns(kernel, name, *first, self.width, self.modulation_width)?;
        }
        Ok(())
    }

    /// Whether a token, a row of the modulation and chunks of it, given by their first columns, begin at multiples of 8
    /// columns, as kernels need it that take eight at a time.
    pub(crate) fn is_in_eights(&self, chunks: &[usize]) -> bool {
        [self.width, self.modulation_width].iter().chain(chunks).all(|columns| columns.is_multiple_of(8))
    }

    /// Refuses what [`Sequence::is_in_eights`] is not true of.
    pub(crate) fn expect_eights(&self, kernel: &Kernel, chunks: &[usize]) -> Result<()> {
        shape::ensure(kernel, self.is_in_eights(chunks), || {
            format!(
                "{} columns, chunks from {chunks:?} on, of a modulation of {} columns: not all are multiples of 8",
                self.width, self.modulation_width
            )
        })
    }
}
