//! A step of Euler's method.

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    len: u32,
    dt: f32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "euler",
    wgsl: wgsl!("euler"),
    parameters: FIELDS,
    bindings: &[Binding::read("velocity"), Binding::write("x")],
    cpu,
};

/// x += dt · velocity.
#[derive(Debug)]
pub struct Euler<'a> {
    /// Any shape.
    pub velocity: &'a Buffer,
    /// The shape of `velocity`, changed in place.
    pub x: &'a Buffer,
    /// The length of the step.
    pub dt: f32,
}

impl Euler<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let len = shape::same_len(&KERNEL, ("velocity", self.velocity), &[("x", self.x)])?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters { len, dt: self.dt },
            buffers: &[self.velocity, self.x],
            constants: &[],
            workgroups: grid(self.x.len(), 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { dt, .. } = parallel::parameters(parameters);
    let [velocity, x] = arguments.take();
    let velocity = velocity.read::<f32>();
    parallel::chunks(x.write::<f32>(), |start, x| step(dt, &velocity[start..], x));
}

#[multiversion(targets = "simd")]
fn step(dt: f32, velocity: &[f32], x: &mut [f32]) {
    for (x, velocity) in x.iter_mut().zip(velocity) {
        *x += dt * velocity;
    }
}
