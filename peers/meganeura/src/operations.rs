//! Single operations at the sizes of the training step.

use measure::reference::numbers;
use measure::sizes::{BATCH, HIDDEN, PARAMETERS, ROWS, TOKENS, WIDTH, adamw};
use measure::{Operation, Work};
use meganeura::{Graph, Mode, NodeId, Session};

use crate::device::{Device, session};
use crate::model::{attention, gated, modulated};

/// How `what` is done on `device`; nothing for what meganeura has no operation for, or is no single one.
///
/// What is differentiated is summed, and the gradients are those of the sum.
pub fn work(what: Operation, device: &Device) -> Option<Work> {
    Some(match what {
        Operation::QueryKeyValue => {
            let shapes = [vec![ROWS, WIDTH], vec![WIDTH, 3 * WIDTH], vec![3 * WIDTH]];
            forwards(device, shapes, |graph, [x, w, b]| linear(graph, x, w, b))
        }
        Operation::LinearGelu => {
            let shapes = [vec![ROWS, WIDTH], vec![WIDTH, HIDDEN], vec![HIDDEN]];
            forwards(device, shapes, |graph, [x, w, b]| {
                let hidden = linear(graph, x, w, b);
                graph.gelu(hidden)
            })
        }
        Operation::LinearGated => {
            let rows = |width| vec![ROWS, width];
            let shapes = [rows(WIDTH), rows(HIDDEN), vec![HIDDEN, WIDTH], vec![WIDTH], vec![BATCH, WIDTH]];
            forwards(device, shapes, |graph, [x, h, w, b, gate]| {
                let out = linear(graph, h, w, b);
                gated(graph, x, gate, out)
            })
        }
        Operation::InputGradient => {
            forwards(device, [vec![ROWS, HIDDEN], vec![WIDTH, HIDDEN]], |graph, [a, b]| graph.matmul_bt(a, b))
        }
        Operation::WeightGradient => {
            forwards(device, [vec![ROWS, WIDTH], vec![ROWS, HIDDEN]], |graph, [a, b]| graph.matmul_at(a, b))
        }
        Operation::SquareProduct => {
            forwards(device, [vec![512, 512], vec![512, 512]], |graph, [a, b]| graph.matmul(a, b))
        }
        Operation::LayerNorm => {
            forwards(device, norm_shapes(), |graph, [x, scale, shift]| modulated(graph, x, scale, shift))
        }
        Operation::LayerNormGradient => {
            backwards(device, norm_shapes(), |graph, [x, scale, shift]| modulated(graph, x, scale, shift))
        }
        Operation::Attention => forwards(device, head_shapes(), |graph, [q, k, v]| attention(graph, q, k, v)),
        Operation::AttentionGradient => backwards(device, head_shapes(), |graph, [q, k, v]| attention(graph, q, k, v)),
        Operation::AdamW => adamw_update(device),
        Operation::BiasGradient | Operation::Step | Operation::Sample => return None,
    })
}

fn norm_shapes() -> [Vec<usize>; 3] {
    [vec![ROWS, WIDTH], vec![BATCH, WIDTH], vec![BATCH, WIDTH]]
}

fn head_shapes() -> [Vec<usize>; 3] {
    std::array::from_fn(|_| vec![TOKENS, BATCH * WIDTH])
}

fn linear(graph: &mut Graph, x: NodeId, weights: NodeId, bias: NodeId) -> NodeId {
    let product = graph.matmul(x, weights);
    graph.bias_add(product, bias)
}

/// Computes what `build` makes of inputs of such shapes.
fn forwards<const N: usize>(
    device: &Device,
    shapes: [Vec<usize>; N],
    build: impl FnOnce(&mut Graph, [NodeId; N]) -> NodeId,
) -> Work {
    let mut graph = Graph::new();
    let inputs = std::array::from_fn(|index| graph.input(&index.to_string(), &shapes[index]));
    let out = build(&mut graph, inputs);
    graph.set_outputs(vec![out]);
    let mut session = session(&graph, Mode::Inference, device);
    for (index, shape) in shapes.iter().enumerate() {
        session.set_input(&index.to_string(), &numbers(shape.iter().product(), index as u32));
    }
    repeated(session)
}

/// Computes the sum of what `build` makes of parameters of such shapes, and its gradients.
fn backwards<const N: usize>(
    device: &Device,
    shapes: [Vec<usize>; N],
    build: impl FnOnce(&mut Graph, [NodeId; N]) -> NodeId,
) -> Work {
    let mut graph = Graph::new();
    let parameters = std::array::from_fn(|index| graph.parameter(&index.to_string(), &shapes[index]));
    let out = build(&mut graph, parameters);
    let sum = graph.sum_all(out);
    graph.set_outputs(vec![sum]);
    let mut session = session(&graph, Mode::Training, device);
    for (index, shape) in shapes.iter().enumerate() {
        session.set_parameter(&index.to_string(), &numbers(shape.iter().product(), index as u32));
    }
    repeated(session)
}

fn repeated(mut session: Session) -> Work {
    Box::new(move |calls| {
        (0..calls).for_each(|_| session.step());
        session.wait();
        Ok(())
    })
}

/// The update alone, with the gradient that one step has left.
fn adamw_update(device: &Device) -> Work {
    let mut graph = Graph::new();
    let parameters = graph.parameter("parameters", &[PARAMETERS]);
    let sum = graph.sum_all(parameters);
    graph.set_outputs(vec![sum]);
    let mut session = session(&graph, Mode::Training, device);
    session.set_parameter("parameters", &numbers(PARAMETERS, 0));
    session.set_weight_decay(adamw::WEIGHT_DECAY);
    session.step();
    Box::new(move |calls| {
        for _ in 0..calls {
            session.adam_step(adamw::RATE as f32, adamw::BETA_1, adamw::BETA_2, adamw::EPSILON);
        }
        session.wait();
        Ok(())
    })
}
