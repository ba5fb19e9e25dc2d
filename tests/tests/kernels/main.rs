//! Every kernel, on every device, against its f64 oracle.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use runtime::Buffer;
use tests::harness::{Bench, Values};

/// Each of these buffers in turn is replaced by a wrong one, which the launch must refuse as a
/// wrong shape.
macro_rules! refuses_buffers {
    ($bench:expr, $launch:expr, $kernel:ident { $($buffer:ident),* }) => {
        let wrong = $bench.output(1009); // a prime that no test here uses as a length
        $($crate::expect_refusal(
            $kernel { $buffer: &wrong, ..$launch }.launch(&mut $bench.stream),
            concat!(stringify!($kernel), " with a wrong `", stringify!($buffer), "`"),
        );)*
    };
}

mod embeddings;
mod flow;
mod known_answers;
mod network;
mod optimiser;
mod product;
mod randomness;
mod registry;
mod statistics;

/// One more element than a row of workgroups of 64 takes: the launch is folded into two rows, and
/// a shader that unfolds it wrongly is found out.
const FOLDED: usize = 65_535 * 64 + 77;

/// Lengths for element-wise kernels: one, odd, prime, around multiples of 4 and 64.
const LENGTHS: [usize; 9] = [1, 3, 4, 63, 64, 65, 1021, 3 * 49 * 128, FOLDED];

/// Fails unless the launch was refused for its shapes.
fn expect_refusal(launched: runtime::Result<()>, what: &str) {
    match launched {
        Err(runtime::Error::Shape { .. }) => {}
        other => panic!("{what} should be refused for its shape, but gives {other:?}"),
    }
}

/// An output and what is in it before: if the kernel accumulates, numbers; else NaN, and zeros to add to.
fn output(bench: &mut Bench, accumulate: bool, len: usize) -> (Buffer, Vec<f32>) {
    if accumulate {
        let before = Values::new(len as u64 + 99).normal(len);
        (bench.upload(&before), before)
    } else {
        (bench.output(len), vec![0.0; len])
    }
}
