//! Linear layers with each of their epilogues.

use autograd::Activation;
use kernels::FeedForward;
use tests::harness::{Values, on_each_device};

use crate::graph::Graph;

pub const KERNELS: &[&str] = &["matmul", "gelu_backward", "gate_backward"];

const PLAIN: &[&str] = &["matmul"];
const GELU: &[&str] = &["matmul", "gelu_backward"];
const GATED: &[&str] = &["matmul", "gate_backward"];
const AT_ONCE: &[&str] = &["feed_forward_backward", "gate_backward"];

/// Rows, outputs, inputs: one, primes, around the tiles, and multiples of 4, which software adapters
/// have a kernel of their own for.
const SHAPES: [[usize; 3]; 6] = [[1, 1, 1], [3, 5, 2], [7, 13, 17], [12, 8, 20], [65, 33, 31], [36, 68, 64]];
/// B, T, outputs, inputs.
const GATED_SHAPES: [[usize; 4]; 5] = [[1, 1, 1, 1], [2, 3, 5, 7], [3, 5, 17, 4], [2, 6, 8, 12], [1, 33, 65, 20]];

#[test]
pub fn linear() {
    on_each_device(|bench| {
        for (([rows, outputs, inputs], seed), activation) in
            SHAPES.into_iter().zip(1..).flat_map(|case| [(case, Activation::Identity), (case, Activation::Gelu)])
        {
            let kernels = if activation == Activation::Gelu { GELU } else { PLAIN };
            let case = format!("linear ({rows}, {inputs}) to {outputs}, {activation:?}");
            let start = if activation == Activation::Gelu { Graph::new } else { Graph::polynomial };
            let graph = || start(seed).input("x", rows, inputs).linear("linear", outputs, inputs);
            graph().check(bench, kernels, &case, |nodes| {
                let (x, linear) = (nodes.input("x"), nodes.linear("linear"));
                nodes.tape.linear(&x, linear, activation).unwrap()
            });
            let twice = graph().linear("join", outputs, outputs);
            twice.check(bench, kernels, format_args!("{case}, twice"), |nodes| {
                let (x, linear) = (nodes.input("x"), nodes.linear("linear"));
                let [a, b] = [&x, &x].map(|x| nodes.tape.linear(x, linear, activation).unwrap());
                nodes.join(&a, &b, "join")
            });
        }
        // As a convolution over patches: the weight has more dimensions, and x wants no gradient.
        let patches = Values::new(9).normal(5 * 3 * 2 * 2);
        let graph = Graph::polynomial(9).weight("patches", &[7, 3, 2, 2]);
        graph.check(bench, PLAIN, "linear over patches", |nodes| {
            let (x, linear) = (nodes.constant(&patches, 5), nodes.linear("patches"));
            nodes.tape.linear(&x, linear, Activation::Identity).unwrap()
        });
    });
}

/// Columns of a modulation between gates of this width: none where it is a multiple of 8, so that kernels take them that read eight at
/// a time.
fn between(width: usize) -> usize {
    usize::from(!width.is_multiple_of(8))
}

#[test]
fn gated_linear() {
    on_each_device(|bench| {
        for ([batch, tokens, outputs, inputs], seed) in GATED_SHAPES.into_iter().zip(1..) {
            let between = between(outputs);
            let (rows, columns) = (batch * tokens, 2 * outputs + 3 * between);
            let case = format!("gated_linear ({batch}, {tokens}, {inputs}) to {outputs}");
            let with_x = || Graph::polynomial(seed).input("x", rows, inputs).linear("linear", outputs, inputs);
            let with_all = || with_x().input("residual", rows, outputs).input("modulation", batch, columns);
            let [first, second] = [between, outputs + 2 * between];
            with_all().check(bench, GATED, &case, |nodes| {
                let [x, residual, modulation] = ["x", "residual", "modulation"].map(|name| nodes.input(name));
                let linear = nodes.linear("linear");
                nodes.tape.gated_linear(&x, linear, &residual, &modulation, second).unwrap()
            });
            with_all().check(bench, GATED, format_args!("{case}, twice onto one residual"), |nodes| {
                let [x, residual, modulation] = ["x", "residual", "modulation"].map(|name| nodes.input(name));
                let linear = nodes.linear("linear");
                [first, second].into_iter().fold(residual, |residual, gate| {
                    nodes.tape.gated_linear(&x, linear, &residual, &modulation, gate).unwrap()
                })
            });
            let [residual, gates] = [rows * outputs, batch * columns].map(|len| Values::new(seed).normal(len));
            with_x().check(bench, GATED, format_args!("{case}, residual and modulation constant"), |nodes| {
                let (x, residual) = (nodes.input("x"), nodes.constant(&residual, rows));
                let (modulation, linear) = (nodes.constant(&gates, batch), nodes.linear("linear"));
                nodes.tape.gated_linear(&x, linear, &residual, &modulation, first).unwrap()
            });
            // Everything from one variable: a square layer of single tokens on itself, gated by itself.
            let own = Graph::polynomial(seed).input("x", rows, outputs).linear("linear", outputs, outputs);
            own.check(bench, GATED, format_args!("{case}, all of one variable"), |nodes| {
                let (x, linear) = (nodes.input("x"), nodes.linear("linear"));
                nodes.tape.gated_linear(&x, linear, &x, &x, 0).unwrap()
            });
        }
    });
}

/// B, T, width, hidden width.
const FEED_FORWARD_SHAPES: [[usize; 4]; 5] =
    [[1, 1, 1, 1], [2, 3, 5, 7], [3, 5, 17, 4], [2, 6, 8, 12], [1, 33, 20, 65]];

#[test]
pub fn feed_forward() {
    on_each_device(|bench| {
        for ([batch, tokens, width, hidden], seed) in FEED_FORWARD_SHAPES.into_iter().zip(1..) {
            let between = between(width);
            let (rows, columns) = (batch * tokens, 2 * width + 3 * between);
            let kernels = if FeedForward::runs_on(&bench.stream) { AT_ONCE } else { GATED };
            let case = format!("feed_forward ({batch}, {tokens}, {width}) by way of {hidden}");
            let graph = || {
                let layers = Graph::new(seed).linear("fc1", hidden, width).linear("fc2", width, hidden);
                layers.input("x", rows, width).input("residual", rows, width).input("modulation", batch, columns)
            };
            graph().check(bench, kernels, &case, |nodes| {
                let [x, residual, modulation] = ["x", "residual", "modulation"].map(|name| nodes.input(name));
                let layers = ["fc1", "fc2"].map(|name| nodes.linear(name));
                nodes.tape.feed_forward(&x, layers, &residual, &modulation, width + 2 * between).unwrap()
            });
            graph().check(bench, kernels, format_args!("{case}, twice onto one residual"), |nodes| {
                let [x, residual, modulation] = ["x", "residual", "modulation"].map(|name| nodes.input(name));
                let layers = ["fc1", "fc2"].map(|name| nodes.linear(name));
                [between, width + 2 * between].into_iter().fold(residual, |residual, gate| {
                    nodes.tape.feed_forward(&x, layers, &residual, &modulation, gate).unwrap()
                })
            });
            let values = |len: usize| Values::new(seed).normal(len);
            let (residual, gates) = (values(rows * width), values(batch * columns));
            let layers = || Graph::new(seed).linear("fc1", hidden, width).linear("fc2", width, hidden);
            let constant = layers().input("x", rows, width);
            constant.check(bench, kernels, format_args!("{case}, residual and modulation constant"), |nodes| {
                let (x, residual) = (nodes.input("x"), nodes.constant(&residual, rows));
                let modulation = nodes.constant(&gates, batch);
                let layers = ["fc1", "fc2"].map(|name| nodes.linear(name));
                nodes.tape.feed_forward(&x, layers, &residual, &modulation, between).unwrap()
            });
            layers().input("x", rows, width).check(bench, kernels, format_args!("{case}, all of one"), |nodes| {
                let (x, layers) = (nodes.input("x"), ["fc1", "fc2"].map(|name| nodes.linear(name)));
                nodes.tape.feed_forward(&x, layers, &x, &x, 0).unwrap()
            });
        }
    });
}
