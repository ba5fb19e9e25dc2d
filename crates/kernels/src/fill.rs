//! Filling a buffer with one value.

use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    len: u32,
    value: f32,
}

pub(crate) static KERNEL: Kernel =
    Kernel { name: "fill", wgsl: wgsl!("fill"), parameters: FIELDS, bindings: &[Binding::write("out")], cpu };

/// out = value, every element.
#[derive(Debug)]
pub struct Fill<'a> {
    /// Any shape.
    pub out: &'a Buffer,
    /// What every element becomes.
    pub value: f32,
}

impl Fill<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let len = shape::volume(&KERNEL, &[self.out.len()])?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters { len: shape::dimension(&KERNEL, "len", len)?, value: self.value },
            buffers: &[self.out],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { value, .. } = parallel::parameters(parameters);
    let [out] = arguments.take();
    parallel::chunks(out.write::<f32>(), |_, out| out.fill(value));
}
