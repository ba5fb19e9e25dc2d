//! Points on the paths of flow matching, and the velocity along them (Lipman et al., 2210.02747).

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::parallel;
use crate::path::{Coefficients, FlowPath};
use crate::shape;

parameters! {
    len: u32,
    size: u32,
    path: u32,
    degree: u32,
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

/// point = α · data + σ · noise and velocity = α' · data + σ' · noise: noise at time 0, data at 1. On the straight
/// path that is t · data + (1 − t) · noise and data − noise.
#[derive(Debug)]
pub struct FlowPoint<'a> {
    /// (batch, size).
    pub data: &'a Buffer,
    /// (batch, size).
    pub noise: &'a Buffer,
    /// (batch), within [0, 1].
    pub time: &'a Buffer,
    /// (batch, size).
    pub out_point: &'a Buffer,
    /// (batch, size).
    pub out_velocity: &'a Buffer,
    /// What α and σ are at a time.
    pub path: FlowPath,
    /// The number of items.
    pub batch: usize,
    /// The elements of an item.
    pub size: usize,
}

impl FlowPoint<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], also for a polynomial path of a degree that is none, and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let items = [self.batch, self.size];
        shape::expect(&KERNEL, "data", self.data, &items)?;
        shape::expect(&KERNEL, "noise", self.noise, &items)?;
        shape::expect(&KERNEL, "time", self.time, &[self.batch])?;
        shape::expect(&KERNEL, "out_point", self.out_point, &items)?;
        shape::expect(&KERNEL, "out_velocity", self.out_velocity, &items)?;
        let [path, degree] = self.path.words();
        shape::ensure(&KERNEL, (1..=FlowPath::MOST_DEGREE).contains(&degree), || {
            format!("a polynomial path has a degree of 1 to {}, not {degree}", FlowPath::MOST_DEGREE)
        })?;
        let len = self.data.len();
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                len: shape::dimension(&KERNEL, "len", len)?,
                size: shape::dimension(&KERNEL, "size", self.size)?,
                path,
                degree,
            },
            buffers: &[self.data, self.noise, self.time, self.out_point, self.out_velocity],
            constants: &[],
            workgroups: grid(len, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { size, path, degree, .. } = parallel::parameters(parameters);
    let (size, path) = (size as usize, FlowPath::from_words(path, degree));
    let [data, noise, time, out_point, out_velocity] = arguments.take();
    let (data, noise, time) = (data.read::<f32>(), noise.read::<f32>(), time.read::<f32>());
    let (out_point, out_velocity) = (out_point.write::<f32>(), out_velocity.write::<f32>());
    parallel::row_pairs(out_point, out_velocity, size, |item, point, velocity| {
        let (data, noise) = (&data[item * size..], &noise[item * size..]);
        let Coefficients { alpha, sigma, alpha_rate, sigma_rate } = path.at(f64::from(time[item]));
        mix(data, noise, [alpha as f32, sigma as f32], point);
        mix(data, noise, [alpha_rate as f32, sigma_rate as f32], velocity);
    });
}

#[multiversion(targets = "simd")]
fn mix(data: &[f32], noise: &[f32], [of_data, of_noise]: [f32; 2], out: &mut [f32]) {
    for (out, (data, noise)) in out.iter_mut().zip(data.iter().zip(noise)) {
        *out = of_data * data + of_noise * noise;
    }
}
