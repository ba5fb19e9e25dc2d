//! The loss of classifiers, with more behind it.

use tests::harness::{Values, on_each_device};

use crate::graph::{Graph, Nodes};

pub const KERNELS: &[&str] = &["cross_entropy_backward"];

/// Rows, classes.
const SHAPES: [[usize; 2]; 4] = [[1, 2], [3, 5], [7, 10], [33, 12]];

fn entropy(nodes: &mut Nodes<'_, '_>, logits: &autograd::Variable, seed: u64) -> autograd::Variable {
    let labels = Values::new(seed).below(logits.columns() as u32, logits.rows());
    let (labels, out) = (nodes.tape.stream().upload(&labels).unwrap(), nodes.tape.stream().allocate(1).unwrap());
    nodes.tape.cross_entropy(logits, &labels, &out).unwrap()
}

#[test]
pub fn cross_entropy() {
    on_each_device(|bench| {
        for ([rows, classes], seed) in SHAPES.into_iter().zip(1..) {
            let graph = || Graph::new(seed).input("x", rows, classes);
            let case = format!("cross_entropy ({rows}, {classes})");
            let once = graph().linear("after", 1, 1);
            once.check(bench, KERNELS, format_args!("{case}, and a Linear"), |nodes| {
                let (x, after) = (nodes.input("x"), nodes.linear("after"));
                let entropy = entropy(nodes, &x, 20);
                nodes.tape.linear(&entropy, after, autograd::Activation::Identity).unwrap()
            });
            let twice = graph().linear("join", 1, 1);
            twice.check(bench, KERNELS, format_args!("{case} of two sets of labels"), |nodes| {
                let x = nodes.input("x");
                let [a, b] = [20, 21].map(|seed| entropy(nodes, &x, seed));
                nodes.join(&a, &b, "join")
            });
        }
    });
}
