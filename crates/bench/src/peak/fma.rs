//! The peak rate of multiply-adds in f32.

use multiversion::multiversion;
use rayon::prelude::*;
use runtime::{Arguments, Binding, Field, Kernel, Launch, Result, Scalar, Stream};

use super::{LONG_ENOUGH, measure};

#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
struct Parameters {
    rounds: u32,
    a: f32,
    b: f32,
}

static KERNEL: Kernel = Kernel {
    name: "fma",
    wgsl: Some(include_str!("../../shaders/fma.wgsl")),
    parameters: &[
        Field { name: "rounds", scalar: Scalar::U32 },
        Field { name: "a", scalar: Scalar::F32 },
        Field { name: "b", scalar: Scalar::F32 },
    ],
    bindings: &[Binding::write("out")],
    cpu,
};

/// Elements of an invocation, and invocations: enough to fill the largest GPU there is.
const ELEMENTS: usize = 32;
const INVOCATIONS: usize = 1 << 17;
/// A launch that took longer might be ended by a driver's watchdog.
const MOST_ROUNDS: u32 = 1 << 20;

/// Floating-point operations a second, a multiply-add being two, of each run; `quick` measures too
/// little to mean anything.
///
/// # Errors
/// What the device reports.
pub fn multiply_adds(stream: &mut Stream, runs: usize, quick: bool) -> Result<Vec<f64>> {
    let len = ELEMENTS * if quick { 64 } else { INVOCATIONS };
    let out = stream.allocate(len)?;
    let mut seconds = |rounds: u32, runs: usize| {
        measure(stream, runs, |stream| {
            stream.launch(&Launch {
                kernel: &KERNEL,
                parameters: Parameters { rounds, a: 0.5, b: 1.0 },
                buffers: &[&out],
                constants: &[],
                workgroups: [(len / ELEMENTS / 64) as u32, 1, 1],
            })
        })
    };
    let mut rounds = 4;
    while !quick && rounds < MOST_ROUNDS && seconds(rounds, 1)?.iter().all(|seconds| *seconds < LONG_ENOUGH) {
        rounds *= 2;
    }
    let operations = 2.0 * len as f64 * f64::from(rounds);
    Ok(seconds(rounds, runs)?.into_iter().map(|seconds| operations / seconds).collect())
}

/// Elements that are kept in registers: twelve of 8 lanes, which leaves some of the 16 registers for the factors. With
/// fewer the units wait for their results, with more for memory.
const NARROW: usize = 96;
/// The same for AVX-512: eight of 16 lanes.
#[cfg(target_arch = "x86_64")]
const WIDE: usize = 128;

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = bytemuck::pod_read_unaligned(parameters);
    let [out] = arguments.take();
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") {
        return blocks::<WIDE>(parameters, out.write::<f32>());
    }
    blocks::<NARROW>(parameters, out.write::<f32>());
}

fn blocks<const LEN: usize>(Parameters { rounds, a, b }: Parameters, out: &mut [f32]) {
    let blocks = out.par_chunks_mut(LEN).with_min_len(64);
    blocks.for_each(|out| out.copy_from_slice(&chains::<LEN>(rounds, a, b)[..out.len()]));
}

#[multiversion(targets = "simd")]
fn chains<const LEN: usize>(rounds: u32, a: f32, b: f32) -> [f32; LEN] {
    // Equal numbers would be computed once for all.
    let mut values: [f32; LEN] = std::array::from_fn(|i| i as f32);
    for _ in 0..rounds {
        for value in &mut values {
            *value = value.mul_add(a, b);
        }
    }
    values
}
