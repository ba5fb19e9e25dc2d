//! Attention.

use kernels::Heads;
use tests::harness::on_each_device;

use crate::graph::Graph;

pub const KERNELS: &[&str] = &["attention_backward"];

/// B, T, H, Dh: one token, whose probability is 1 whatever its query; odd and prime numbers of tokens;
/// one more than a workgroup takes at once.
const SHAPES: [[usize; 4]; 5] = [[1, 1, 1, 4], [2, 3, 1, 4], [1, 7, 3, 4], [2, 5, 2, 12], [1, 17, 1, 20]];

#[test]
pub fn attention() {
    on_each_device(|bench| {
        for ([batch, tokens, heads, head_dim], seed) in SHAPES.into_iter().zip(1..) {
            let shape = Heads { batch, tokens, heads, head_dim };
            let width = shape.width();
            let graph = || Graph::new(seed).input("qkv", batch * tokens, 3 * width);
            let case = format!("attention ({batch}, {tokens}, {heads}, {head_dim})");
            graph().check(bench, KERNELS, &case, |nodes| {
                let qkv = nodes.input("qkv");
                nodes.tape.attention(&qkv, shape).unwrap()
            });
            // One shape is enough: attention gives its gradient to the tape, whatever the shape.
            if tokens == 3 {
                let twice = graph().linear("join", width, width);
                twice.check(bench, KERNELS, format_args!("{case} twice"), |nodes| {
                    let qkv = nodes.input("qkv");
                    let [a, b] = [&qkv, &qkv].map(|qkv| nodes.tape.attention(qkv, shape).unwrap());
                    nodes.join(&a, &b, "join")
                });
            }
        }
    });
}
