//! A kernel of your own: RMSNorm, outside the `kernels` crate. docs/kernel.md reads it line by line.
//! Run it with `cargo run -p examples --example own_kernel`, test it with `cargo test` in place of `cargo run`.

use bytemuck::{Pod, Zeroable};
use rayon::prelude::*;
use runtime::{
    Arguments, Binding, Buffer, Device, DeviceOptions, Error, Field, Kernel, Launch, Result, Scalar, Stream, grid,
};

#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Parameters {
    rows: u32,
    width: u32,
    epsilon: f32,
}

static KERNEL: Kernel = Kernel {
    name: "rms_norm",
    wgsl: Some(include_str!("rms_norm.wgsl")),
    parameters: &[
        Field { name: "rows", scalar: Scalar::U32 },
        Field { name: "width", scalar: Scalar::U32 },
        Field { name: "epsilon", scalar: Scalar::F32 },
    ],
    bindings: &[Binding::read("x"), Binding::read("gain"), Binding::write("out")],
    cpu,
};

/// out = x / √(mean(x²) + epsilon) · gain, the mean over a row. Squares must fit f32: |x| below 1e19.
struct RmsNorm<'a> {
    /// (rows, width)
    x: &'a Buffer,
    /// (width)
    gain: &'a Buffer,
    /// (rows, width)
    out: &'a Buffer,
    epsilon: f32,
}

impl RmsNorm<'_> {
    /// Checks the shapes and launches.
    fn launch(&self, stream: &mut Stream) -> Result<()> {
        let (len, width) = (self.x.len(), self.gain.len());
        let refuse = |message| Err(Error::Shape { kernel: KERNEL.name, message });
        if width == 0 || len == 0 || !len.is_multiple_of(width) {
            return refuse(format!("`x` has {len} elements, which are not rows of the {width} that `gain` has"));
        }
        if self.out.len() != len {
            return refuse(format!("`out` has {} elements, but `x` has {len}", self.out.len()));
        }
        // The shader indexes with 32 bits.
        let (Ok(_), Ok(rows), Ok(columns)) = (u32::try_from(len), u32::try_from(len / width), u32::try_from(width))
        else {
            return refuse(format!("`x` has {len} elements, more than 32 bits can index"));
        };
        stream.launch(&Launch {
            kernel: &KERNEL,
            parameters: Parameters { rows, width: columns, epsilon: self.epsilon },
            buffers: &[self.x, self.gain, self.out],
            constants: &[],
            workgroups: grid(len / width, 1),
        })
    }
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { width, epsilon, .. } = bytemuck::pod_read_unaligned(parameters);
    let [x, gain, out] = arguments.take();
    let (x, gain, width) = (x.read::<f32>(), gain.read::<f32>(), width as usize);
    out.write::<f32>().par_chunks_mut(width).zip(x.par_chunks(width)).for_each(|(out, x)| {
        let mean = x.iter().map(|x| x * x).sum::<f32>() / width as f32;
        let factor = 1.0 / (mean + epsilon).sqrt();
        for ((out, x), gain) in out.iter_mut().zip(x).zip(gain) {
            *out = x * factor * gain;
        }
    });
}

fn main() -> anyhow::Result<()> {
    let device = Device::open(&DeviceOptions::default())?;
    let mut stream = device.stream()?;
    let (x, gain) = (stream.upload(&[3.0f32, -4.0, 30.0, -40.0])?, stream.upload(&[1.0f32, 10.0])?);
    let out = stream.allocate(x.len())?;
    RmsNorm { x: &x, gain: &gain, out: &out, epsilon: 1e-6 }.launch(&mut stream)?;
    println!("{:?}, computed on {device}", stream.read::<f32>(&out)?);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;
    use ::tests::harness::{Bench, Tolerance, Values, on_each_device};

    /// Naive, in f64, and from the formula rather than from either body.
    fn oracle(x: &[f32], gain: &[f32], epsilon: f32) -> Vec<f64> {
        let normalised = |row: &[f32]| {
            let mean = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / gain.len() as f64;
            let root = (mean + f64::from(epsilon)).sqrt();
            row.iter().zip(gain).map(|(x, gain)| f64::from(*x) / root * f64::from(*gain)).collect::<Vec<_>>()
        };
        x.chunks_exact(gain.len()).flat_map(normalised).collect()
    }

    fn check(bench: &mut Bench, x: &[f32], gain: &[f32], epsilon: f32) {
        let (rows, width) = (x.len() / gain.len(), gain.len());
        let tolerance = Tolerance::new(1e-30, 3e-6 + 1e-7 * width as f64, "a rounding for each square that is added");
        let (on_device, gains, out) = (bench.upload(x), bench.upload(gain), bench.output(x.len()));
        RmsNorm { x: &on_device, gain: &gains, out: &out, epsilon }.launch(&mut bench.stream).unwrap();
        bench.expect(format!("rms_norm ({rows}, {width})"), &out, &oracle(x, gain, epsilon), tolerance);
    }

    #[test]
    fn both_bodies_agree_with_the_oracle() {
        on_each_device(|bench| {
            for (rows, width) in [(1, 1), (3, 63), (5, 64), (2, 65), (7, 130), (1, 1031), (300, 5)] {
                let mut values = Values::new((1000 * rows + width) as u64);
                let (mut x, gain) = (values.normal(rows * width), values.normal(width));
                check(bench, &x, &gain, 1e-6);
                check(bench, &vec![0.0; x.len()], &gain, 1e-6);
                // What is not a number spoils its own row, and no other.
                x[rows * width / 2] = f32::NAN;
                check(bench, &x, &gain, 0.5);
            }
        });
    }

    #[test]
    fn more_rows_than_one_dimension_of_workgroups_holds() {
        on_each_device(|bench| {
            let x = Values::new(1).normal(65_537);
            check(bench, &x, &[2.0], 0.1);
        });
    }

    #[test]
    fn shapes_that_do_not_fit_are_refused() {
        on_each_device(|bench| {
            let [six, four, nothing] = [6, 4, 0].map(|len| bench.stream.allocate(len).unwrap());
            for (x, gain, out, said) in [
                (&six, &four, &six, "not rows of the 4"),
                (&six, &nothing, &four, "not rows of the 0"),
                (&nothing, &four, &nothing, "`x` has 0 elements"),
                (&four, &four, &six, "`out` has 6 elements, but `x` has 4"),
            ] {
                let error = RmsNorm { x, gain, out, epsilon: 0.0 }.launch(&mut bench.stream).unwrap_err().to_string();
                assert!(error.starts_with("rms_norm: ") && error.contains(said), "`{said}` is not in: {error}");
            }
        });
    }
}
