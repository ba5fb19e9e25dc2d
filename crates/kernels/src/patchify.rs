//! Images cut into patches.

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    batch: u32,
    source_batch: u32,
    channels: u32,
    side: u32,
    // `patch` alone is a reserved word of WGSL.
    patch_side: u32,
    channel_last: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "patchify",
    wgsl: wgsl!("patchify"),
    parameters: FIELDS,
    bindings: &[Binding::read("images"), Binding::write("out")],
    cpu,
};

/// In which order the columns of a row of patches count the elements of a patch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchOrder {
    /// (channel, row, column), as a convolution's weights have it.
    ChannelFirst,
    /// (row, column, channel), as the last layer of DiT has it.
    ChannelLast,
}

/// Cuts images into square patches: row b · tokens + t holds patch t of image b % source_batch,
/// where patches count along the lines of an image and tokens = (side / patch)².
#[derive(Debug)]
pub struct Patchify<'a> {
    /// (source_batch, channels, side, side).
    pub images: &'a Buffer,
    /// (batch · tokens, channels · patch · patch).
    pub out: &'a Buffer,
    /// The number of items in `out`.
    pub batch: usize,
    /// The number of images, which repeat where the batch has more items.
    pub source_batch: usize,
    /// The channels of an image.
    pub channels: usize,
    /// The side of an image, a multiple of `patch`.
    pub side: usize,
    /// The side of a patch.
    pub patch: usize,
    /// The order of the columns.
    pub order: PatchOrder,
}

impl Patchify<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Self { batch, source_batch, channels, side, patch, order, .. } = *self;
        expect_patches(&KERNEL, side, patch)?;
        shape::expect(&KERNEL, "images", self.images, &[source_batch, channels, side, side])?;
        shape::expect(&KERNEL, "out", self.out, &patches_shape(batch, channels, side, patch))?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                batch: shape::dimension(&KERNEL, "batch", batch)?,
                source_batch: shape::dimension(&KERNEL, "source_batch", source_batch)?,
                channels: shape::dimension(&KERNEL, "channels", channels)?,
                side: shape::dimension(&KERNEL, "side", side)?,
                patch_side: shape::dimension(&KERNEL, "patch", patch)?,
                channel_last: u32::from(order == PatchOrder::ChannelLast),
            },
            buffers: &[self.images, self.out],
            constants: &[],
            workgroups: grid(self.out.len(), 64),
        })
    }
}

/// Refuses a side that is no multiple of the patch's.
pub(crate) fn expect_patches(kernel: &Kernel, side: usize, patch: usize) -> Result<()> {
    shape::ensure(kernel, patch > 0 && side.is_multiple_of(patch), || {
        format!("an image of side {side} cannot be cut into patches of side {patch}")
    })
}

/// Items, patches down and along an image, and the elements of a patch: a product that cannot wrap
/// before it is checked.
pub(crate) fn patches_shape(batch: usize, channels: usize, side: usize, patch: usize) -> [usize; 6] {
    [batch, side / patch, side / patch, channels, patch, patch]
}

/// How the elements of a patch lie in its row.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    pub(crate) channels: usize,
    pub(crate) patch: usize,
    pub(crate) channel_last: bool,
}

impl Layout {
    /// The number of columns.
    pub(crate) fn width(self) -> usize {
        self.channels * self.patch * self.patch
    }

    /// The first column of a line of a patch, and the distance to the next.
    pub(crate) fn line(self, channel: usize, line: usize) -> (usize, usize) {
        if self.channel_last {
            (line * self.patch * self.channels + channel, self.channels)
        } else {
            ((channel * self.patch + line) * self.patch, 1)
        }
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [channels, side, patch, source_batch] =
        [parameters.channels, parameters.side, parameters.patch_side, parameters.source_batch].map(|x| x as usize);
    let layout = Layout { channels, patch, channel_last: parameters.channel_last != 0 };
    let along = side / patch;
    let [images, out] = arguments.take();
    let images = images.read::<f32>();
    parallel::rows(out.write::<f32>(), layout.width(), |row, out| {
        let (item, token) = (row / (along * along), row % (along * along));
        let (top, left) = (token / along * patch, token % along * patch);
        for channel in 0..channels {
            let plane = item % source_batch * channels + channel;
            for line in 0..patch {
                let source = &images[(plane * side + top + line) * side + left..][..patch];
                let (first, stride) = layout.line(channel, line);
                for (out, x) in out[first..].iter_mut().step_by(stride).zip(source) {
                    *out = *x;
                }
            }
        }
    });
}
