//! Standard normal numbers, by Box and Muller (1958).

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::normal::normals;
use crate::cpu::{parallel, philox};
use crate::shape;

parameters! {
    seed_low: u32,
    seed_high: u32,
    step: u32,
    first_item: u32,
    items: u32,
    size: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "gaussian_noise",
    wgsl: wgsl!("gaussian_noise"),
    parameters: FIELDS,
    bindings: &[Binding::write("out")],
    cpu,
};

/// Noise for some items out of a sequence of them. An item's noise depends on its own index, the
/// step and the seed alone, so that splitting items into batches never changes it.
#[derive(Debug)]
pub struct GaussianNoise<'a> {
    /// (items, size).
    pub out: &'a Buffer,
    /// With the step and the item, what the noise depends on.
    pub seed: u64,
    /// The training step, or another number for another use.
    pub step: u32,
    /// The index of the first item.
    pub first_item: u32,
    /// How many items.
    pub items: usize,
    /// The elements of an item.
    pub size: usize,
}

impl GaussianNoise<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        shape::expect(&KERNEL, "out", self.out, &[self.items, self.size])?;
        let items = shape::dimension(&KERNEL, "items", self.items)?;
        shape::ensure(&KERNEL, self.first_item.checked_add(items).is_some(), || {
            format!("{items} items from number {} on exceed what 32 bits can index", self.first_item)
        })?;
        let [seed_low, seed_high] = philox::key(self.seed);
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                seed_low,
                seed_high,
                step: self.step,
                first_item: self.first_item,
                items,
                size: shape::dimension(&KERNEL, "size", self.size)?,
            },
            buffers: &[self.out],
            constants: &[],
            workgroups: grid(self.items * self.size.div_ceil(4), 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { seed_low, seed_high, step, first_item, size, .. } = parallel::parameters(parameters);
    let [out] = arguments.take();
    parallel::rows(out.write::<f32>(), size as usize, |item, out| {
        fill(out, first_item + item as u32, step, [seed_low, seed_high]);
    });
}

#[multiversion(targets = "simd")]
fn fill(out: &mut [f32], item: u32, step: u32, key: [u32; 2]) {
    for (block, out) in (0..).zip(out.chunks_mut(4)) {
        let [radius_0, angle_0, radius_1, angle_1] = philox::philox4x32([block, item, step, philox::NOISE], key);
        let ([n0, n1], [n2, n3]) = (normals(radius_0, angle_0), normals(radius_1, angle_1));
        out.copy_from_slice(&[n0, n1, n2, n3][..out.len()]);
    }
}
