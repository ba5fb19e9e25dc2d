//! Adding one buffer to another.

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, sum};
use crate::shape;

parameters! {
    len: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "add",
    wgsl: wgsl!("add"),
    parameters: FIELDS,
    bindings: &[Binding::read("x"), Binding::write("out")],
    cpu,
};

/// out += x, element by element.
#[derive(Debug)]
pub struct Add<'a> {
    /// Any shape.
    pub x: &'a Buffer,
    /// The shape of `x`.
    pub out: &'a Buffer,
}

impl Add<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let len = shape::same_len(&KERNEL, ("x", self.x), &[("out", self.out)])?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters { len },
            buffers: &[self.x, self.out],
            constants: &[],
            workgroups: grid(self.x.len(), 64),
        })
    }
}

fn cpu(_: &[u8], arguments: Arguments<'_>) {
    let [x, out] = arguments.take();
    let x = x.read::<f32>();
    parallel::chunks(out.write::<f32>(), |start, out| sum::add_rows(&x[start..][..out.len()], out));
}
