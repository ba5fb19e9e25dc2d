//! Sinusoidal features of times (Vaswani et al., 1706.03762, section 3.5).

use multiversion::multiversion;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream, grid};

use crate::cpu::{parallel, trigonometry};
use crate::shape;

parameters! {
    scale: f32,
    batch: u32,
    half: u32,
}

pub(crate) static KERNEL: Kernel = Kernel {
    name: "time_features",
    wgsl: wgsl!("time_features"),
    parameters: FIELDS,
    bindings: &[Binding::read("time"), Binding::read("frequencies"), Binding::write("out")],
    cpu,
};

/// The cosines, then the sines, of scale · time · frequency for every frequency. They are NaN where
/// the angle is 2²⁴ or more, infinite or NaN.
#[derive(Debug)]
pub struct TimeFeatures<'a> {
    /// (batch).
    pub time: &'a Buffer,
    /// (half).
    pub frequencies: &'a Buffer,
    /// (batch, 2 · half).
    pub out: &'a Buffer,
    /// What times are multiplied by.
    pub scale: f32,
    /// The number of times.
    pub batch: usize,
    /// The number of frequencies.
    pub half: usize,
}

impl TimeFeatures<'_> {
    /// Checks the shapes and launches.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        shape::expect(&KERNEL, "time", self.time, &[self.batch])?;
        shape::expect(&KERNEL, "frequencies", self.frequencies, &[self.half])?;
        shape::expect(&KERNEL, "out", self.out, &[self.batch, 2, self.half])?;
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters {
                scale: self.scale,
                batch: shape::dimension(&KERNEL, "batch", self.batch)?,
                half: shape::dimension(&KERNEL, "half", self.half)?,
            },
            buffers: &[self.time, self.frequencies, self.out],
            constants: &[],
            workgroups: grid(self.batch * self.half, 64),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { scale, half, .. } = parallel::parameters(parameters);
    let [time, frequencies, out] = arguments.take();
    let (time, frequencies) = (time.read::<f32>(), frequencies.read::<f32>());
    parallel::rows(out.write::<f32>(), 2 * half as usize, |item, out| {
        let (cosines, sines) = out.split_at_mut(half as usize);
        features(scale * time[item], frequencies, cosines, sines);
    });
}

#[multiversion(targets = "simd")]
fn features(time: f32, frequencies: &[f32], cosines: &mut [f32], sines: &mut [f32]) {
    for (frequency, (cosine, sine)) in frequencies.iter().zip(cosines.iter_mut().zip(sines)) {
        let angle = time * frequency;
        let (c, s) = trigonometry::cos_sin(trigonometry::turns(angle));
        let defined = angle.abs() < trigonometry::TURNS_END;
        (*cosine, *sine) = if defined { (c, s) } else { (f32::NAN, f32::NAN) };
    }
}
