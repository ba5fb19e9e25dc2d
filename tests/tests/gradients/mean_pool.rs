//! The mean of tokens.

use tests::harness::on_each_device;

use crate::graph::Graph;

pub const KERNELS: &[&str] = &["mean_pool_backward"];

/// B, T, D.
const SHAPES: [[usize; 3]; 5] = [[1, 1, 1], [3, 1, 5], [1, 5, 3], [2, 7, 13], [5, 9, 33]];

#[test]
pub fn mean_pool() {
    on_each_device(|bench| {
        for ([batch, tokens, width], seed) in SHAPES.into_iter().zip(1..) {
            let graph = || Graph::polynomial(seed).input("x", batch * tokens, width);
            let case = format!("mean_pool ({batch}, {tokens}, {width})");
            graph().check(bench, KERNELS, &case, |nodes| {
                let x = nodes.input("x");
                nodes.tape.mean_pool(&x, tokens).unwrap()
            });
            let twice = graph().linear("join", width, width);
            twice.check(bench, KERNELS, format_args!("{case}, twice"), |nodes| {
                let x = nodes.input("x");
                let [a, b] = [&x, &x].map(|x| nodes.tape.mean_pool(x, tokens).unwrap());
                nodes.join(&a, &b, "join")
            });
        }
    });
}
