//! LayerNorm with adaLN modulation.

use tests::harness::{Values, on_each_device};

use crate::graph::Graph;

pub const KERNELS: &[&str] = &["layer_norm_modulate_backward", "modulation_backward"];

/// B, T, D. Rows of one element are all mean, and have no gradient. Rows of two to four are left to the
/// oracle's tests: they bend too sharply for differences wherever their elements are nearly alike. With a width of 16 all columns are
/// multiples of 8, which kernels take that read eight at a time.
const SHAPES: [[usize; 3]; 6] = [[1, 1, 1], [2, 3, 7], [3, 5, 17], [1, 13, 67], [5, 1, 33], [2, 3, 16]];

/// DiT's, and one that counts beside the variance: the gradient must have it too.
const EPSILONS: [f32; 2] = [1e-6, 0.5];

#[test]
pub fn layer_norm_modulate() {
    on_each_device(|bench| {
        for ([batch, tokens, width], seed) in SHAPES.into_iter().zip(1..) {
            let [small, large] = EPSILONS;
            let between = usize::from(!width.is_multiple_of(8));
            let (rows, columns) = (batch * tokens, 4 * width + 3 * between);
            let case = format!("layer_norm_modulate ({batch}, {tokens}, {width})");
            let with_x = || Graph::new(seed).input("x", rows, width);
            let with_both = || with_x().input("modulation", batch, columns);
            let [first, second, third] = [between, width + 2 * between, 3 * width + 3 * between];
            with_both().check(bench, KERNELS, &case, |nodes| {
                let (x, modulation) = (nodes.input("x"), nodes.input("modulation"));
                nodes.tape.layer_norm_modulate(&x, &modulation, second, first, small).unwrap()
            });
            let twice = with_both().linear("join", width, width);
            twice.check(bench, KERNELS, format_args!("{case} twice, one chunk shared"), |nodes| {
                let (x, modulation) = (nodes.input("x"), nodes.input("modulation"));
                let [a, b] = [[first, second], [third, first]].map(|[shift, scale]| {
                    nodes.tape.layer_norm_modulate(&x, &modulation, shift, scale, small).unwrap()
                });
                nodes.join(&a, &b, "join")
            });
            let fixed = Values::new(seed).normal(batch * columns);
            with_x().check(bench, &KERNELS[..1], format_args!("{case}, modulation constant"), |nodes| {
                let (x, modulation) = (nodes.input("x"), nodes.constant(&fixed, batch));
                nodes.tape.layer_norm_modulate(&x, &modulation, first, third, large).unwrap()
            });
            let fixed = Values::new(seed).normal(rows * width);
            let only = Graph::new(seed).input("modulation", batch, columns);
            only.check(bench, &KERNELS[1..], format_args!("{case}, x constant"), |nodes| {
                let (x, modulation) = (nodes.constant(&fixed, rows), nodes.input("modulation"));
                nodes.tape.layer_norm_modulate(&x, &modulation, first, third, large).unwrap()
            });
        }
    });
}
