//! SiLU.

use tests::harness::on_each_device;

use crate::graph::Graph;

pub const KERNELS: &[&str] = &["silu_backward"];

/// Rows, columns, deviation: at 4 both tails of the sigmoid are met.
const CASES: [(usize, usize, f32); 5] = [(1, 1, 1.0), (3, 5, 4.0), (17, 13, 1.0), (64, 4, 4.0), (31, 67, 2.0)];

#[test]
pub fn silu() {
    on_each_device(|bench| {
        for ((rows, columns, deviation), seed) in CASES.into_iter().zip(1..) {
            let graph = || Graph::new(seed).spread_input("x", rows, columns, deviation);
            graph().check(bench, KERNELS, format_args!("silu ({rows}, {columns})"), |nodes| {
                let x = nodes.input("x");
                nodes.tape.silu(&x).unwrap()
            });
            let twice = graph().linear("join", columns, columns);
            twice.check(bench, KERNELS, format_args!("silu ({rows}, {columns}) twice, and once more after"), |nodes| {
                let x = nodes.input("x");
                let [a, b] = [&x, &x].map(|x| nodes.tape.silu(x).unwrap());
                let joined = nodes.join(&a, &b, "join");
                nodes.tape.silu(&joined).unwrap()
            });
        }
    });
}
