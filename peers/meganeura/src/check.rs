//! That meganeura computes what is meant.

use anyhow::Result;
use measure::reference::{self, compare, numbers};
use measure::sizes::{BATCH, EPSILON, HEAD_DIM, HEADS, ROWS, TOKENS, WIDTH};
use meganeura::{Graph, Mode, NodeId};

use crate::device::{Device, session};
use crate::model::{attention, modulated};

/// Compares products, attention and layer norms with plain loops.
///
/// # Errors
/// When they differ.
pub fn check(device: &Device) -> Result<()> {
    let (m, k, n) = (65, 33, 20);
    let [a, b] = [numbers(m * k, 1), numbers(k * n, 2)];
    let product = computed(device, [(&[m, k], &a), (&[k, n], &b)], m * n, |graph, [a, b]| graph.matmul(a, b));
    compare("product", &product, &reference::product(&a, &b, [m, k, n]))?;

    let shape = &[TOKENS, BATCH * WIDTH];
    let [q, k, v] = [3, 4, 5].map(|seed| numbers(ROWS * WIDTH, seed));
    let inputs = [(shape, &q), (shape, &k), (shape, &v)];
    let attended = computed(device, inputs, ROWS * WIDTH, |graph, [q, k, v]| attention(graph, q, k, v));
    let heads = BATCH * HEADS;
    for head in [0, heads - 1] {
        let of_head = |x: &[f32]| -> Vec<f32> {
            x.chunks(HEAD_DIM)
                .enumerate()
                .filter(|(index, _)| index % heads == head)
                .flat_map(|(_, x)| x.to_vec())
                .collect()
        };
        let [q, k, v] = [&q, &k, &v].map(|x| of_head(x));
        compare("attention", &of_head(&attended), &reference::attention(&q, &k, &v, [TOKENS, HEAD_DIM]))?;
    }

    let x = numbers(ROWS * WIDTH, 6);
    let [scale, shift] = [7, 8].map(|seed| numbers(BATCH * WIDTH, seed));
    let inputs = [(&[ROWS, WIDTH], &x), (&[BATCH, WIDTH], &scale), (&[BATCH, WIDTH], &shift)];
    let normed = computed(device, inputs, ROWS * WIDTH, |graph, [x, scale, shift]| modulated(graph, x, scale, shift));
    // The first token's rows are those of all images, one after the other.
    let first = BATCH * WIDTH;
    let expected = reference::layer_norm(&x[..first], &scale, &shift, [1, WIDTH], EPSILON);
    compare("layer norm", &normed[..first], &expected)
}

/// `len` numbers that `build` makes of inputs of such shapes and values.
fn computed<const N: usize>(
    device: &Device,
    inputs: [(&[usize; 2], &Vec<f32>); N],
    len: usize,
    build: impl FnOnce(&mut Graph, [NodeId; N]) -> NodeId,
) -> Vec<f32> {
    let mut graph = Graph::new();
    let nodes = std::array::from_fn(|index| graph.input(&index.to_string(), inputs[index].0));
    let out = build(&mut graph, nodes);
    graph.set_outputs(vec![out]);
    let mut session = session(&graph, Mode::Inference, device);
    for (index, (_, values)) in inputs.iter().enumerate() {
        session.set_input(&index.to_string(), values);
    }
    session.step();
    session.wait();
    session.read_output(len)
}
