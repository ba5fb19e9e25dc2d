//! Kernels against plain loops in the same run. The ratios are far below what is measured, so that a busy
//! machine cannot fail them: what fails them is a kernel that has lost what makes it fast.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use kernels::{Attention, Epilogue, Heads, Layout, MatMul, Variant};
use runtime::{Buffer, Device, DeviceOptions, Stream};
use tests::harness::{Values, devices};

/// Runs of each side, in turn; the fastest counts, which a disturbance can only slow down.
const RUNS: usize = 40;

/// One test at a time has the machine.
static MACHINE: Mutex<()> = Mutex::new(());

/// How many times longer the second takes than the first.
fn ratio(stream: &mut Stream, fast: impl Fn(&mut Stream), slow: impl Fn(&mut Stream)) -> f64 {
    let _alone = MACHINE.lock().unwrap_or_else(PoisonError::into_inner);
    let [mut of_fast, mut of_slow] = [f64::INFINITY; 2];
    let time = |stream: &mut Stream, run: &dyn Fn(&mut Stream)| {
        let start = Instant::now();
        run(stream);
        stream.synchronize().unwrap();
        start.elapsed().as_secs_f64()
    };
    for _ in 0..RUNS {
        of_fast = time(stream, &fast).min(of_fast);
        of_slow = time(stream, &slow).min(of_slow);
    }
    of_slow / of_fast
}

fn cpu() -> Stream {
    Device::open(&DeviceOptions::cpu()).unwrap().stream().unwrap()
}

fn product<'a>(a: &'a Buffer, b: &'a Buffer, out: &'a Buffer, [m, n, k]: [usize; 3]) -> MatMul<'a> {
    MatMul { a, b, out, layout: Layout::BTransposed, m, n, k, epilogue: Epilogue::Overwrite }
}

#[test]
fn the_product_on_the_cpu_is_far_ahead_of_three_loops() {
    /// 18 to 23 is measured, on a busy machine.
    const AT_LEAST: f64 = 2.0;
    const SIZE: usize = 256;
    let mut stream = cpu();
    let mut values = Values::new(1);
    let [x, y] = [values.normal(SIZE * SIZE), values.normal(SIZE * SIZE)];
    let (a, b) = (stream.upload(&x).unwrap(), stream.upload(&y).unwrap());
    let out = stream.allocate(SIZE * SIZE).unwrap();
    let ratio = ratio(
        &mut stream,
        |stream| product(&a, &b, &out, [SIZE; 3]).launch(stream).unwrap(),
        |_| {
            let mut out = vec![0.0_f32; SIZE * SIZE];
            for (row, x) in out.chunks_exact_mut(SIZE).zip(x.chunks_exact(SIZE)) {
                for (out, y) in row.iter_mut().zip(y.chunks_exact(SIZE)) {
                    *out = x.iter().zip(y).map(|(x, y)| x * y).sum();
                }
            }
            black_box(out);
        },
    );
    println!("three loops take {ratio:.1} times as long as matmul");
    assert!(ratio > AT_LEAST, "three loops take only {ratio:.1} times as long as matmul, not {AT_LEAST}");
}

#[test]
fn attention_on_the_cpu_is_far_ahead_of_plain_loops() {
    /// 15 to 17 is measured.
    const AT_LEAST: f64 = 3.0;
    let heads = Heads { batch: 32, tokens: 49, heads: 4, head_dim: 32 };
    let (rows, width) = (heads.batch * heads.tokens, heads.width());
    let mut stream = cpu();
    let values = Values::new(2).normal(rows * 3 * width);
    let qkv = stream.upload(&values).unwrap();
    let (out, log_sum) = (stream.allocate(rows * width).unwrap(), stream.allocate(rows * heads.heads).unwrap());
    let ratio = ratio(
        &mut stream,
        |stream| Attention { qkv: &qkv, out: &out, log_sum: &log_sum, heads }.launch(stream).unwrap(),
        |_| drop(black_box(plain_attention(&values, heads))),
    );
    println!("plain loops take {ratio:.1} times as long as attention");
    assert!(ratio > AT_LEAST, "plain loops take only {ratio:.1} times as long as attention, not {AT_LEAST}");
}

fn plain_attention(qkv: &[f32], Heads { batch, tokens, heads, head_dim }: Heads) -> Vec<f32> {
    let width = heads * head_dim;
    let mut out = vec![0.0; batch * tokens * width];
    let vector = |item: usize, token: usize, part: usize, head: usize| {
        &qkv[((item * tokens + token) * 3 + part) * width + head * head_dim..][..head_dim]
    };
    for (item, head) in (0..batch).flat_map(|item| (0..heads).map(move |head| (item, head))) {
        for query in 0..tokens {
            let q = vector(item, query, 0, head);
            let score = |key: usize| q.iter().zip(vector(item, key, 1, head)).map(|(q, k)| q * k).sum::<f32>();
            let scores: Vec<f32> = (0..tokens).map(|key| score(key) / (head_dim as f32).sqrt()).collect();
            let highest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let weights: Vec<f32> = scores.iter().map(|score| (score - highest).exp()).collect();
            let total: f32 = weights.iter().sum();
            let out = &mut out[(item * tokens + query) * width + head * head_dim..][..head_dim];
            for (key, weight) in weights.iter().enumerate() {
                for (out, v) in out.iter_mut().zip(vector(item, key, 2, head)) {
                    *out += weight / total * v;
                }
            }
        }
    }
    out
}

/// On a software adapter the variant without barriers, which is what it is there for.
#[test]
fn the_product_in_registers_is_ahead_on_a_software_adapter() {
    /// 2.4 to 2.6 is measured, on a busy machine.
    const AT_LEAST: f64 = 1.25;
    const SHAPE: [usize; 3] = [784, 128, 128];
    for device in devices().into_iter().filter(|device| device.adapter().is_some_and(|adapter| adapter.software)) {
        let mut stream = device.stream().unwrap();
        let [m, n, k] = SHAPE;
        let mut values = Values::new(3);
        let (a, b) = (stream.upload(&values.normal(m * k)).unwrap(), stream.upload(&values.normal(n * k)).unwrap());
        let out = stream.allocate(m * n).unwrap();
        let run = |variant| {
            let (a, b, out) = (&a, &b, &out);
            move |stream: &mut Stream| product(a, b, out, SHAPE).launch_variant(stream, variant).unwrap()
        };
        let ratio = ratio(&mut stream, run(Variant::Register), run(Variant::Portable));
        println!("{device}: the portable product takes {ratio:.1} times as long as that in registers");
        assert!(ratio > AT_LEAST, "{device}: the portable product takes only {ratio:.1} times as long, not {AT_LEAST}");
    }
}
