//! The bandwidth of memory, by the triad of the STREAM benchmark (McCalpin, 1995).

use multiversion::multiversion;
use rayon::prelude::*;
use runtime::{Arguments, Binding, Field, Kernel, Launch, Result, Scalar, Stream, grid};

use super::{LONG_ENOUGH, measure};

#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct Parameters {
    factor: f32,
}

static KERNEL: Kernel = Kernel {
    name: "triad",
    wgsl: Some(include_str!("../../shaders/triad.wgsl")),
    parameters: &[Field { name: "factor", scalar: Scalar::F32 }],
    bindings: &[Binding::read("x"), Binding::read("y"), Binding::write("out")],
    cpu,
};

/// Runs are repeated until they are long enough, but no more often than this.
const MOST_REPEATS: usize = 256;

/// Bytes a second, of each run, of a triad whose three arrays take `bytes` together: two are read and one is
/// written.
///
/// # Errors
/// What the device reports.
pub fn bandwidth(stream: &mut Stream, bytes: usize, runs: usize) -> Result<Vec<f64>> {
    let len = (bytes / 3 / size_of::<f32>()).next_multiple_of(4).max(4);
    let [x, y, out] = [stream.allocate(len)?, stream.allocate(len)?, stream.allocate(len)?];
    for buffer in [&x, &y] {
        kernels::Fill { out: buffer, value: 1.0 }.launch(stream)?;
    }
    let mut seconds = |runs: usize| {
        measure(stream, runs, |stream| {
            stream.launch(&Launch {
                kernel: &KERNEL,
                parameters: Parameters { factor: 0.5 },
                buffers: &[&x, &y, &out],
                constants: &[],
                workgroups: grid(len / 4, 64),
            })
        })
    };
    let first = seconds(1)?.into_iter().fold(f64::INFINITY, f64::min).max(1e-9);
    // What fits a cache is over soon: the median of many.
    let repeats = ((LONG_ENOUGH / first).ceil() as usize).clamp(1, MOST_REPEATS);
    Ok(seconds(runs * repeats)?.into_iter().map(|seconds| (3 * len * size_of::<f32>()) as f64 / seconds).collect())
}

/// Elements of a task.
const BLOCK: usize = 16 * 1024;

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let Parameters { factor } = bytemuck::pod_read_unaligned(parameters);
    let [x, y, out] = arguments.take();
    let inputs = x.read::<f32>().par_chunks(BLOCK).zip(y.read::<f32>().par_chunks(BLOCK));
    out.write::<f32>().par_chunks_mut(BLOCK).zip(inputs).for_each(|(out, (x, y))| add(factor, x, y, out));
}

#[multiversion(targets = "simd")]
fn add(factor: f32, x: &[f32], y: &[f32], out: &mut [f32]) {
    for ((out, x), y) in out.iter_mut().zip(x).zip(y) {
        *out = x + factor * y;
    }
}
