//! Fences around buffers: what a kernel does beyond the end of one shows.

use bytemuck::Pod;
use runtime::{Buffer, Result, Stream};

/// Words beyond the end of a buffer that kernels can reach. A workgroup has up to 256 invocations, and one
/// too many of them shows as well as all.
pub(super) const OVERHANG: usize = 64;

/// What is there: a number that changes a sum, if it is read, and is changed if it is written. It is negative
/// because activations leave large positive numbers as they are.
const STAKE: f32 = -1234.5;

/// The memory behind a buffer.
#[derive(Debug)]
pub(super) struct Fence {
    whole: Buffer,
    len: usize,
}

impl Fence {
    /// A buffer with this data, and its fence.
    pub(super) fn upload<T: Pod>(stream: &mut Stream, data: &[T]) -> Result<(Buffer, Self)> {
        let len = size_of_val(data).div_ceil(4);
        let whole = stream.allocate(len + OVERHANG)?;
        let mut words = bytemuck::pod_collect_to_vec::<T, u32>(data);
        words.resize(len + OVERHANG, STAKE.to_bits());
        stream.write(&whole, &words)?;
        Ok((whole.slice(0..len), Self { whole, len }))
    }

    /// Whether the test has let go of the buffer.
    pub(super) fn is_last(&self) -> bool {
        !self.whole.is_shared()
    }

    /// What was written beyond the end, if anything.
    pub(super) fn broken(&self, stream: &mut Stream) -> Result<Option<String>> {
        let start = self.len / runtime::ALIGNMENT * runtime::ALIGNMENT;
        let end: Vec<f32> = stream.read(&self.whole.slice(start..self.whole.len()))?;
        let beyond = end[self.len - start..].iter().enumerate();
        let mut changed = beyond.filter(|(_, word)| word.to_bits() != STAKE.to_bits());
        Ok(changed.next().map(|(i, word)| {
            format!("{word:e} was written {} elements beyond the end of a buffer of {}", i + 1, self.len)
        }))
    }
}
