//! Position embeddings, whose gradient is the upstream one.

use kernels::Heads;
use tests::harness::{Values, on_each_device};

use crate::graph::Graph;

pub const KERNELS: &[&str] = &[];

/// B, T, D.
const SHAPES: [[usize; 3]; 4] = [[1, 1, 1], [2, 3, 5], [3, 7, 17], [5, 13, 4]];

#[test]
pub fn positions() {
    on_each_device(|bench| {
        for ([batch, tokens, width], seed) in SHAPES.into_iter().zip(1..) {
            let positions = Values::new(seed).normal(tokens * width);
            let graph = Graph::new(seed).input("x", batch * tokens, width);
            let case = format!("add_positions ({batch}, {tokens}, {width}), then silu");
            graph.check(bench, KERNELS, case, |nodes| {
                let (x, positions) = (nodes.input("x"), nodes.tape.stream().upload(&positions).unwrap());
                let x = nodes.tape.add_positions(x, &positions, tokens).unwrap();
                nodes.tape.silu(&x).unwrap()
            });
            // What still needs x as it was: an operation before, which reads it on its way back, one
            // after, and, of attention, its own way back.
            let graph = || Graph::new(seed).input("x", batch * tokens, width).linear("join", width, width);
            let case = format!("add_positions ({batch}, {tokens}, {width}) between two silus of x");
            graph().check(bench, KERNELS, case, |nodes| {
                let (x, positions) = (nodes.input("x"), nodes.tape.stream().upload(&positions).unwrap());
                let before = nodes.tape.silu(&x).unwrap();
                let sum = nodes.tape.add_positions(x.clone(), &positions, tokens).unwrap();
                let after = nodes.tape.silu(&x).unwrap();
                let both = nodes.join(&before, &sum, "join");
                nodes.join(&both, &after, "join")
            });
            let heads = Heads { batch, tokens, heads: 1, head_dim: 4 };
            let positions = Values::new(seed).normal(tokens * heads.head_dim);
            let graph = Graph::new(seed).input("qkv", batch * tokens, 3 * heads.head_dim);
            let case = format!("add_positions ({batch}, {tokens}, 4) to attention");
            graph.check(bench, KERNELS, case, |nodes| {
                let (qkv, positions) = (nodes.input("qkv"), nodes.tape.stream().upload(&positions).unwrap());
                let x = nodes.tape.attention(&qkv, heads).unwrap();
                nodes.tape.add_positions(x, &positions, tokens).unwrap()
            });
        }
    });
}
