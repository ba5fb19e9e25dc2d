//! Which variant of the matrix product suits a device and a shape.

use runtime::{Error, Half, Result, Stream};

use crate::matmul::{Epilogue, Layout, MatMul, WIDE_KERNEL};
use crate::matmul_variant::{Tile, Variant};
use crate::shape;

/// Workgroups that keep most GPUs busy: some to each core, of which they have 8 to 140.
const ENOUGH_WORKGROUPS: usize = 256;

/// What of the inner dimension is worth a slice: less, and the sum of the slices costs more than they give.
const LEAST_SLICE: usize = 128;

impl MatMul<'_> {
    /// The variant that [`MatMul::launch`] takes on a stream's device: of reduced precision on one that was opened for it,
    /// on an adapter only in [`Layout::BTransposed`], and on hardware only with matrix units: without them a
    /// compiler makes fewer multiply-adds of as many instructions for f16 than for f32 (docs/rejected-optimizations.md).
    /// On hardware the first call with about a shape measures which is the fastest, which takes some milliseconds; all add
    /// up in the same order.
    ///
    /// # Errors
    /// As [`MatMul::launch`].
    pub fn variant(&self, stream: &mut Stream) -> Result<Variant> {
        let hardware = stream.device().is_hardware_gpu();
        Ok(match (self.layout, stream.device().half()) {
            (_, Some(Half::Bfloat16)) => Variant::Half,
            // Gradients are often below what f16 holds; only forward products are in this layout.
            (Layout::BTransposed, Some(Half::Float16 { matrices: Some(size) })) => Variant::Cooperative(size),
            (Layout::BTransposed, Some(_)) if !hardware => Variant::Half,
            _ if !self.has_rows_of_vec4s() => Variant::Portable,
            _ if hardware => self.fastest_variant(stream)?,
            _ if !shape::on_software(stream) => Variant::Portable,
            _ if Variant::Subgroup.runs_on(stream) => Variant::Subgroup,
            _ => Variant::Register,
        })
    }

    /// Whether the rows of both operands and of the product are whole vec4s.
    pub(crate) fn has_rows_of_vec4s(&self) -> bool {
        let row_of_a = match self.layout {
            Layout::ATransposed => self.m,
            Layout::Plain | Layout::BTransposed => self.k,
        };
        row_of_a.is_multiple_of(4) && self.n.is_multiple_of(4)
    }

    /// Slices of k that fill a device where the product itself has few tiles. They follow from the shape alone, because
    /// their number changes the order of the sums, and with it the last bits.
    fn slices(&self) -> usize {
        if !matches!(self.epilogue, Epilogue::Overwrite | Epilogue::Add) {
            return 1;
        }
        let tiles = self.m.div_ceil(Tile::Side64.side()).saturating_mul(self.n.div_ceil(Tile::Side64.side()));
        (ENOUGH_WORKGROUPS / tiles.max(1)).min(self.k / LEAST_SLICE).max(1)
    }

    /// The fastest on a stream's device of the variants for hardware, measured on a result of its own, once for shapes that
    /// are about as large; the first of them, where there is no memory for that. What an epilogue saves is written.
    ///
    /// # Errors
    /// As [`MatMul::launch_variant`].
    pub fn fastest_variant(&self, stream: &mut Stream) -> Result<Variant> {
        let slices = self.slices();
        let [small, large] = [Tile::Side64, Tile::Side128].map(|tile| Variant::Wide { tile, slices });
        // The last has fewer sums an invocation, for GPUs with few registers. It has no slices; and where the gradient of a
        // bias is made in the product, the bits of that must not depend on what is the fastest.
        let candidates = [small, large, Variant::Portable];
        let count = if slices == 1 && self.layout != Layout::ATransposed { 3 } else { 2 };
        // Sizes to the next smaller power of two: a last batch that is smaller need not be measured too.
        let [m, n, k] = [self.m, self.n, self.k].map(|size| size.checked_ilog2().unwrap_or(0));
        let mut out = None;
        let key = (WIDE_KERNEL.name, [m, n, k, self.layout as u32]);
        let fastest = match stream.fastest(key, count, |stream, i| {
            let out = match &out {
                Some(out) => out,
                None => out.insert(stream.allocate(shape::volume(&WIDE_KERNEL, &[self.m, self.n])?)?),
            };
            MatMul { out, ..*self }.launch_variant(stream, candidates[i])
        }) {
            Err(Error::OutOfMemory) => 0,
            fastest => fastest?,
        };
        Ok(candidates[fastest])
    }
}
