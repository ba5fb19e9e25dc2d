//! The velocity under guidance that looks at whole items: rescaled (Lin et al., 2305.08891, section 3.4), with the
//! null velocity scaled to fit (CFG-Zero*: Fan et al., 2503.18886), or both.

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, sum};
use crate::shape;

parameters! {
    batch: u32,
    size: u32,
    guidance: f32,
    rescale: f32,
    scale_null: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "guided_velocity",
    wgsl: wgsl!("guided_velocity"),
    parameters: FIELDS,
    bindings: &[Binding::read("velocity"), Binding::write("out")],
    cpu,
};

/// The invocations of a workgroup.
const LANES: usize = 64;
/// What keeps the quotients finite where items are zero or constant.
const LEAST_SQUARE: f32 = 1e-8;
const LEAST_VARIANCE: f32 = 1e-16;

/// out = f · (a · null + guidance · (conditional − a · null)), with an a and an f of each item.
#[derive(Debug)]
pub struct GuidedVelocity<'a> {
    /// (2 · batch, size): the conditional velocities, then those of the null class.
    pub velocity: &'a Buffer,
    /// (batch, size).
    pub out: &'a Buffer,
    /// The scale of guidance; 1 means none.
    pub guidance: f32,
    /// How far to bring the standard deviation of an item back to that of its conditional velocity, within [0, 1]:
    /// f = rescale · deviation(conditional) / deviation(out at f = 1) + 1 − rescale.
    pub rescale: f32,
    /// Whether a = ⟨conditional, null⟩ / ⟨null, null⟩, the projection on the null velocity; 1 if not.
    pub scale_null: bool,
    /// The number of items.
    pub batch: usize,
    /// The elements of an item.
    pub size: usize,
}

impl GuidedVelocity<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        shape::expect(&KERNEL, "velocity", self.velocity, &[2, self.batch, self.size])?;
        shape::expect(&KERNEL, "out", self.out, &[self.batch, self.size])?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                batch: shape::dimension(&KERNEL, "batch", self.batch)?,
                size: shape::dimension(&KERNEL, "size", self.size)?,
                guidance: self.guidance,
                rescale: self.rescale,
                scale_null: u32::from(self.scale_null),
            },
            buffers: &[self.velocity, self.out],
            constants: &[],
            workgroups: grid(self.batch * LANES, LANES),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let size = parameters.size as usize;
    let [velocity, out] = arguments.take();
    let (conditional, null) = velocity.read::<f32>().split_at(parameters.batch as usize * size);
    parallel::rows(out.write::<f32>(), size, |item, out| {
        let range = item * size..(item + 1) * size;
        guide(&conditional[range.clone()], &null[range], &parameters, out);
    });
}

#[multiversion(targets = "simd")]
fn guide(conditional: &[f32], null: &[f32], parameters: &Parameters, out: &mut [f32]) {
    let both = [conditional, null];
    let mean = |term: &dyn Fn([f32; 2]) -> f32| sum::sum_by(both, term) / out.len() as f32;
    let a = if parameters.scale_null == 1 {
        let square = sum::sum_by([null], |[null]| null * null);
        sum::sum_by(both, |[conditional, null]| conditional * null) / (square + LEAST_SQUARE)
    } else {
        1.0
    };
    let (of_class, of_null) = (parameters.guidance, (1.0 - parameters.guidance) * a);
    let mixed = |[conditional, null]: [f32; 2]| of_class * conditional + of_null * null;
    let variance = |of: &dyn Fn([f32; 2]) -> f32| {
        let centre = mean(of);
        mean(&|values| (of(values) - centre) * (of(values) - centre))
    };
    let ratio = variance(&|[conditional, _]| conditional) / (variance(&mixed) + LEAST_VARIANCE);
    let f = parameters.rescale * ratio.sqrt() + (1.0 - parameters.rescale);
    for (out, (conditional, null)) in out.iter_mut().zip(conditional.iter().zip(null)) {
        *out = f * mixed([*conditional, *null]);
    }
}
