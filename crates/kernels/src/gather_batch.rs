//! A shuffled batch out of a data set that lies on the device as bytes.

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, philox};
use crate::shape;

parameters! {
    seed_low: u32,
    seed_high: u32,
    epoch: u32,
    offset: u32,
    count: u32,
    size: u32,
    batch: u32,
    half_bits: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "gather_batch",
    wgsl: wgsl!("gather_batch"),
    parameters: FIELDS,
    bindings: &[
        Binding::read("images"),
        Binding::read("labels"),
        Binding::write("out_images"),
        Binding::write("out_labels"),
    ],
    cpu,
};

/// The next batch of a data set that each epoch goes through in an order of its own: bytes 0 to
/// 255 become -1 to 1.
///
/// The order is a keyed permutation that is computed, not stored: the seed and the position say
/// all, which is what lets a resumed run be the run.
#[derive(Debug)]
pub struct GatherBatch<'a> {
    /// (count, size) bytes, packed in words, the first in the lowest bits.
    pub images: &'a Buffer,
    /// (count) bytes, packed likewise.
    pub labels: &'a Buffer,
    /// (batch, size).
    pub out_images: &'a Buffer,
    /// (batch) of `u32`.
    pub out_labels: &'a Buffer,
    /// What the order depends on.
    pub seed: u64,
    /// The number of samples seen before.
    pub position: u64,
    /// The samples in the data set.
    pub count: usize,
    /// The pixels of a sample, over all channels.
    pub size: usize,
    /// The samples in the batch, no more than `count`: it meets at most two epochs.
    pub batch: usize,
}

impl GatherBatch<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Self { count, size, batch, .. } = *self;
        let pixels = shape::volume(&KERNEL, &[count, size])?;
        shape::expect(&KERNEL, "images", self.images, &[pixels.div_ceil(4)])?;
        shape::expect(&KERNEL, "labels", self.labels, &[count.div_ceil(4)])?;
        shape::expect(&KERNEL, "out_images", self.out_images, &[batch, size])?;
        shape::expect(&KERNEL, "out_labels", self.out_labels, &[batch])?;
        shape::ensure(&KERNEL, batch <= count, || format!("a batch of {batch} samples out of a data set of {count}"))?;
        let [seed_low, seed_high] = philox::key(self.seed);
        let parameters = Parameters {
            seed_low,
            seed_high,
            epoch: (self.position / count as u64) as u32,
            offset: (self.position % count as u64) as u32,
            count: shape::dimension(&KERNEL, "count", count)?,
            size: shape::dimension(&KERNEL, "size", size)?,
            batch: shape::dimension(&KERNEL, "batch", batch)?,
            half_bits: half_bits(count),
        };
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters,
            buffers: &[self.images, self.labels, self.out_images, self.out_labels],
            constants: &[],
            workgroups: grid(batch * LANES, LANES),
        })
    }
}

/// The invocations of the shader's workgroup, which share a sample.
const LANES: usize = 64;

/// Half the smallest even number of bits, two at least, that hold the numbers below `count`.
fn half_bits(count: usize) -> u32 {
    (usize::BITS - (count - 1).leading_zeros()).div_ceil(2).max(1)
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [images, labels, out_images, out_labels] = arguments.take();
    let (images, labels) = (images.read::<u8>(), labels.read::<u8>());
    let size = parameters.size as usize;
    parallel::rows(out_images.write::<f32>(), size, |sample, out| {
        let start = source(&parameters, sample as u32) as usize * size;
        for (out, byte) in out.iter_mut().zip(&images[start..]) {
            *out = (2.0 * f32::from(*byte) - 255.0) / 255.0;
        }
    });
    for (sample, out) in out_labels.write::<u32>().iter_mut().enumerate() {
        *out = u32::from(labels[source(&parameters, sample as u32) as usize]);
    }
}

/// Which sample of the data set is number `sample` of the batch.
fn source(parameters: &Parameters, sample: u32) -> u32 {
    let left = parameters.count - parameters.offset;
    if sample < left {
        permute(parameters, parameters.offset + sample, parameters.epoch)
    } else {
        permute(parameters, sample - left, parameters.epoch.wrapping_add(1))
    }
}

/// A Feistel network over the smallest even number of bits that hold `count`, walked along its
/// cycle until it is back below `count`: a bijection there too.
fn permute(parameters: &Parameters, position: u32, epoch: u32) -> u32 {
    let key = [parameters.seed_low, parameters.seed_high];
    let mask = (1 << parameters.half_bits) - 1;
    let mut value = position;
    loop {
        let (mut left, mut right) = (value >> parameters.half_bits, value & mask);
        for round in 0..4 {
            let [word, ..] = philox::philox4x32([right, round, epoch, philox::SHUFFLE], key);
            (left, right) = (right, left ^ (word & mask));
        }
        value = (left << parameters.half_bits) | right;
        if value < parameters.count {
            return value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_is_a_permutation_of_its_own() {
        for count in [1, 2, 3, 4, 5, 10, 1000, 60_000] {
            let parameters = Parameters {
                seed_low: 7,
                seed_high: 9,
                epoch: 0,
                offset: 0,
                count,
                size: 1,
                batch: 1,
                half_bits: half_bits(count as usize),
            };
            let orders = [0, 1].map(|epoch| (0..count).map(|p| permute(&parameters, p, epoch)).collect::<Vec<_>>());
            for order in &orders {
                let mut sorted = order.clone();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..count), "{count}");
            }
            assert!(count < 1000 || orders[0] != orders[1]);
        }
    }

    #[test]
    fn half_bits_are_the_fewest_that_hold() {
        assert_eq!([1, 4, 5, 16, 17, 60_000, 65_536, 65_537].map(half_bits), [1, 1, 2, 2, 3, 8, 8, 9]);
    }
}
