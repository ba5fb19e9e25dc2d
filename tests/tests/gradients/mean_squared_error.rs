//! The loss, with more behind it.

use tests::harness::{Values, on_each_device};

use crate::graph::{Graph, Nodes};

pub const KERNELS: &[&str] = &["mse_backward"];

/// Items, elements of an item.
const SHAPES: [[usize; 2]; 5] = [[1, 1], [3, 1], [2, 17], [7, 65], [33, 12]];

fn error(nodes: &mut Nodes<'_, '_>, prediction: &autograd::Variable, seed: u64) -> autograd::Variable {
    let target = Values::new(seed).normal(prediction.value().len());
    let (target, out) = (nodes.tape.stream().upload(&target).unwrap(), nodes.tape.stream().allocate(1).unwrap());
    nodes.tape.mean_squared_error(prediction, &target, &out).unwrap()
}

#[test]
pub fn mean_squared_error() {
    on_each_device(|bench| {
        for ([rows, columns], seed) in SHAPES.into_iter().zip(1..) {
            let graph = || Graph::polynomial(seed).input("x", rows, columns);
            let case = format!("mean_squared_error ({rows}, {columns})");
            let once = graph().linear("after", 1, 1);
            once.check(bench, KERNELS, format_args!("{case}, and a Linear"), |nodes| {
                let (x, after) = (nodes.input("x"), nodes.linear("after"));
                let error = error(nodes, &x, 20);
                nodes.tape.linear(&error, after, autograd::Activation::Identity).unwrap()
            });
            let twice = graph().linear("join", 1, 1);
            twice.check(bench, KERNELS, format_args!("{case} against two targets"), |nodes| {
                let x = nodes.input("x");
                let [a, b] = [20, 21].map(|seed| error(nodes, &x, seed));
                nodes.join(&a, &b, "join")
            });
        }
    });
}
