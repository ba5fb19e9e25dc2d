//! The norm of all gradients, and the factor that clips it.

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    len: u32,
    max_norm: f32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "gradient_clip",
    wgsl: wgsl!("gradient_clip"),
    parameters: FIELDS,
    bindings: &[Binding::read("partials"), Binding::write("out")],
    cpu,
};

/// out = [norm, min(1, max_norm / norm)] with norm = √Σ partials (Pascanu et al., 1211.5063). The
/// factor is 0 where the norm is not finite.
#[derive(Debug)]
pub struct GradientClip<'a> {
    /// Sums of squares; any number.
    pub partials: &'a Buffer,
    /// (2): norm and factor.
    pub out: &'a Buffer,
    /// The largest norm that is let through, above 0; infinity for no clipping.
    pub max_norm: f32,
}

impl GradientClip<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let len = shape::volume(&KERNEL, &[self.partials.len()])?;
        shape::expect(&KERNEL, "out", self.out, &[2])?;
        shape::ensure(&KERNEL, self.max_norm > 0.0, || format!("max_norm is {}, no positive number", self.max_norm))?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                len: shape::dimension(&KERNEL, "len", len)?,
                max_norm: self.max_norm.min(f32::MAX),
            },
            buffers: &[self.partials, self.out],
            constants: &[],
            workgroups: [1, 1, 1],
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [partials, out] = arguments.take();
    let norm = partials.read::<f32>().iter().sum::<f32>().sqrt();
    let out = out.write::<f32>();
    out[0] = norm;
    out[1] = if norm.is_finite() { (parameters.max_norm / norm.max(1e-30)).min(1.0) } else { 0.0 };
}
