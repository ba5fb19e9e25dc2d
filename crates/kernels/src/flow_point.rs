//! Points on the straight paths of flow matching, and the velocity along them (Lipman et al.,
//! 2210.02747).

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::shape;

parameters! {
    len: u32,
    size: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "flow_point",
    wgsl: wgsl!("flow_point"),
    parameters: FIELDS,
    bindings: &[
        Binding::read("data"),
        Binding::read("noise"),
        Binding::read("time"),
        Binding::write("out_point"),
        Binding::write("out_velocity"),
    ],
    cpu,
};

/// point = t · data + (1 - t) · noise and velocity = data - noise: noise at time 0, data at 1.
#[derive(Debug)]
pub struct FlowPoint<'a> {
    /// (batch, size).
    pub data: &'a Buffer,
    /// (batch, size).
    pub noise: &'a Buffer,
    /// (batch).
    pub time: &'a Buffer,
    /// (batch, size).
    pub out_point: &'a Buffer,
    /// (batch, size).
    pub out_velocity: &'a Buffer,
    /// The number of items.
    pub batch: usize,
    /// The elements of an item.
    pub size: usize,
}

impl FlowPoint<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let items = [self.batch, self.size];
        shape::expect(&KERNEL, "data", self.data, &items)?;
        shape::expect(&KERNEL, "noise", self.noise, &items)?;
        shape::expect(&KERNEL, "time", self.time, &[self.batch])?;
        shape::expect(&KERNEL, "out_point", self.out_point, &items)?;
        shape::expect(&KERNEL, "out_velocity", self.out_velocity, &items)?;
        let len = self.data.len();
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                len: shape::dimension(&KERNEL, "len", len)?,
                size: shape::dimension(&KERNEL, "size", self.size)?,
            },
            buffers: &[self.data, self.noise, self.time, self.out_point, self.out_velocity],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let size = parallel::parameters::<Parameters>(parameters).size as usize;
    let [data, noise, time, out_point, out_velocity] = arguments.take();
    let (data, noise, time) = (data.read::<f32>(), noise.read::<f32>(), time.read::<f32>());
    parallel::rows(out_point.write::<f32>(), size, |item, out| {
        point(&data[item * size..], &noise[item * size..], time[item], out);
    });
    parallel::chunks(out_velocity.write::<f32>(), |start, out| velocity(&data[start..], &noise[start..], out));
}

#[multiversion(targets = "simd")]
fn point(data: &[f32], noise: &[f32], time: f32, out: &mut [f32]) {
    for (out, (data, noise)) in out.iter_mut().zip(data.iter().zip(noise)) {
        *out = time * data + (1.0 - time) * noise;
    }
}

#[multiversion(targets = "simd")]
fn velocity(data: &[f32], noise: &[f32], out: &mut [f32]) {
    for (out, (data, noise)) in out.iter_mut().zip(data.iter().zip(noise)) {
        *out = data - noise;
    }
}
