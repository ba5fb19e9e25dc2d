//! The shape that attention kernels work on.

use runtime::{Kernel, Result};

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

/// Tokens that a workgroup of the portable kernels takes, and columns of a head.
const TILE: [usize; 2] = [32, 64];

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

    /// Workgroups of the portable kernels for a head: along its tokens, and its columns.
    pub(crate) fn tiles(&self) -> usize {
        let [tokens, columns] = TILE;
        self.tokens.div_ceil(tokens) * self.head_dim.div_ceil(columns)
    }

    /// Whether an invocation of the portable kernels makes both of two vec4s, because a head has columns for them.
    pub(crate) fn both(&self) -> (&'static str, f64) {
        ("BOTH", f64::from(u8::from(self.head_dim > TILE[1] / 2)))
    }
}
