//! From patches to images.

use tests::harness::on_each_device;

use crate::graph::Graph;

pub const KERNELS: &[&str] = &["patchify"];

/// B, C, S, p.
const SHAPES: [[usize; 4]; 5] = [[1, 1, 1, 1], [2, 3, 4, 2], [3, 1, 6, 3], [1, 2, 5, 1], [2, 3, 7, 7]];

#[test]
pub fn unpatchify() {
    on_each_device(|bench| {
        for ([batch, channels, side, patch], seed) in SHAPES.into_iter().zip(1..) {
            let (tokens, size) = ((side / patch).pow(2), channels * side * side);
            let graph = || Graph::polynomial(seed).input("x", batch * tokens, channels * patch * patch);
            let case = format!("unpatchify ({batch}, {channels}, {side}, {side}), patches of {patch}");
            graph().check(bench, KERNELS, &case, |nodes| {
                let x = nodes.input("x");
                nodes.tape.unpatchify(&x, channels, side, patch).unwrap()
            });
            let twice = graph().linear("join", size, size);
            twice.check(bench, KERNELS, format_args!("{case}, twice"), |nodes| {
                let x = nodes.input("x");
                let [a, b] = [&x, &x].map(|x| nodes.tape.unpatchify(x, channels, side, patch).unwrap());
                nodes.join(&a, &b, "join")
            });
        }
    });
}
