//! The shape that attention kernels work on.

use runtime::{Error, Kernel, Result};

use crate::shape;

/// A batch of token sequences in several heads; the width D is heads · head_dim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Items, B.
    pub batch: usize,
    /// Tokens of an item, T.
    pub tokens: usize,
    /// Heads, H.
    pub heads: usize,
    /// Columns of a head, Dh; a multiple of 4.
    pub head_dim: usize,
}

/// What WebGPU guarantees a workgroup, in floats. Each array takes a multiple of [`GRANULE`].
const WORKGROUP_FLOATS: usize = 16 * 1024 / 4;
const GRANULE: usize = 4;

/// The most tokens that attention and its gradient take: the gradient keeps three floats a token in
/// the memory of a workgroup.
pub const MAX_TOKENS: usize = WORKGROUP_FLOATS / 3 / GRANULE * GRANULE;

impl Heads {
    /// D = heads · head_dim
    pub fn width(&self) -> usize {
        self.heads * self.head_dim
    }

    /// The scale of scores, 1 / √head_dim.
    pub(crate) fn scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }

    pub(crate) fn expect_head_dim(&self, kernel: &Kernel) -> Result<()> {
        shape::ensure(kernel, self.head_dim.is_multiple_of(4) && self.head_dim > 0, || {
            format!("a head has {} columns, which is no multiple of 4", self.head_dim)
        })
    }

    /// How many tokens a workgroup takes when each needs `arrays` rows of T floats in workgroup
    /// memory, beside `shared` rows: as many as fit, but no more than 16.
    pub(crate) fn rows_a_workgroup(&self, kernel: &Kernel, arrays: usize, shared: usize) -> Result<usize> {
        let free = WORKGROUP_FLOATS.saturating_sub(shared * self.tokens.next_multiple_of(GRANULE));
        match free / arrays / GRANULE * GRANULE / self.tokens {
            0 => Err(Error::Shape {
                kernel: kernel.name,
                message: format!("{} tokens do not fit the memory of a workgroup; use a larger patch", self.tokens),
            }),
            rows => Ok(rows.min(16)),
        }
    }
}
