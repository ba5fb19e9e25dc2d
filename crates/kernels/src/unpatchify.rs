//! Images put together from patches: the inverse of [`Patchify`](crate::Patchify).

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::patchify::{Layout, PatchOrder, expect_patches, patches_shape};
use crate::shape;

parameters! {
    batch: u32,
    channels: u32,
    side: u32,
    // `patch` alone is a reserved word of WGSL.
    patch_side: u32,
    channel_last: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "unpatchify",
    wgsl: wgsl!("unpatchify"),
    parameters: FIELDS,
    bindings: &[Binding::read("patches"), Binding::write("out")],
    cpu,
};

/// Puts images together: row b · tokens + t is patch t of image b, where patches count along the
/// lines of an image and tokens = (side / patch)².
#[derive(Debug)]
pub struct Unpatchify<'a> {
    /// (batch · tokens, channels · patch · patch).
    pub patches: &'a Buffer,
    /// (batch, channels, side, side).
    pub out: &'a Buffer,
    /// The number of images.
    pub batch: usize,
    /// The channels of an image.
    pub channels: usize,
    /// The side of an image, a multiple of `patch`.
    pub side: usize,
    /// The side of a patch.
    pub patch: usize,
    /// The order of the columns.
    pub order: PatchOrder,
}

impl Unpatchify<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let Self { batch, channels, side, patch, order, .. } = *self;
        expect_patches(&KERNEL, side, patch)?;
        shape::expect(&KERNEL, "patches", self.patches, &patches_shape(batch, channels, side, patch))?;
        shape::expect(&KERNEL, "out", self.out, &[batch, channels, side, side])?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                batch: shape::dimension(&KERNEL, "batch", batch)?,
                channels: shape::dimension(&KERNEL, "channels", channels)?,
                side: shape::dimension(&KERNEL, "side", side)?,
                patch_side: shape::dimension(&KERNEL, "patch", patch)?,
                channel_last: u32::from(order == PatchOrder::ChannelLast),
            },
            buffers: &[self.patches, self.out],
            constants: &[],
            workgroups: grid(self.out.len(), 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [channels, side, patch] = [parameters.channels, parameters.side, parameters.patch_side].map(|x| x as usize);
    let layout = Layout { channels, patch, channel_last: parameters.channel_last != 0 };
    let along = side / patch;
    let [patches, out] = arguments.take();
    let patches = patches.read::<f32>();
    parallel::rows(out.write::<f32>(), side, |line, out| {
        let (plane, y) = (line / side, line % side);
        let (item, channel) = (plane / channels, plane % channels);
        let (first, stride) = layout.line(channel, y % patch);
        let rows = (item * along + y / patch) * along..;
        for (row, out) in rows.zip(out.chunks_exact_mut(patch)) {
            let source = patches[row * layout.width() + first..].iter().step_by(stride);
            for (out, x) in out.iter_mut().zip(source) {
                *out = *x;
            }
        }
    });
}
