//! A step of Euler's method under classifier-free guidance (Ho and Salimans, 2207.12598).

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    len: u32,
    guidance: f32,
    dt: f32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "guidance_euler",
    wgsl: wgsl!("guidance_euler"),
    parameters: FIELDS,
    bindings: &[Binding::read("velocity"), Binding::write("x")],
    cpu,
};

/// x += dt · (null + guidance · (conditional - null)).
#[derive(Debug)]
pub struct GuidanceEuler<'a> {
    /// (2 · batch, size): the conditional velocities, then those of the null class.
    pub velocity: &'a Buffer,
    /// (batch, size), changed in place.
    pub x: &'a Buffer,
    /// The scale of guidance; 1 means none.
    pub guidance: f32,
    /// The length of the step.
    pub dt: f32,
    /// The number of items.
    pub batch: usize,
    /// The elements of an item.
    pub size: usize,
}

impl GuidanceEuler<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        shape::expect(&KERNEL, "velocity", self.velocity, &[2, self.batch, self.size])?;
        shape::expect(&KERNEL, "x", self.x, &[self.batch, self.size])?;
        let len = self.x.len();
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                len: shape::dimension(&KERNEL, "len", len)?,
                guidance: self.guidance,
                dt: self.dt,
            },
            buffers: &[self.velocity, self.x],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { len, guidance, dt } = parallel::parameters(parameters);
    let [velocity, x] = arguments.take();
    let (conditional, null) = velocity.read::<f32>().split_at(len as usize);
    parallel::chunks(x.write::<f32>(), |start, x| step(guidance, dt, &conditional[start..], &null[start..], x));
}

#[multiversion(targets = "simd")]
fn step(guidance: f32, dt: f32, conditional: &[f32], null: &[f32], x: &mut [f32]) {
    for (x, (conditional, null)) in x.iter_mut().zip(conditional.iter().zip(null)) {
        *x += dt * (null + guidance * (conditional - null));
    }
}
