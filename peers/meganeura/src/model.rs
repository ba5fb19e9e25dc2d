//! The project's diffusion transformer, as a graph of meganeura.

use measure::reference::numbers;
use measure::sizes::{
    BATCH, CLASSES, DEPTH, EPSILON, HEAD_DIM, HEADS, HIDDEN, PATCH_SIZE, ROWS, TIME_FEATURES, TOKENS, WIDTH,
};
use meganeura::{Graph, NodeId};

/// A graph, and what its parameters are at first.
pub struct Model {
    /// The graph.
    pub graph: Graph,
    /// Each parameter's name and values.
    pub initial: Vec<(String, Vec<f32>)>,
}

impl Model {
    /// The error of the velocity that the model gives for the inputs `patches`, `features` (of the time) and
    /// `labels`, from the input `target`.
    pub fn new() -> Self {
        let mut model = Self { graph: Graph::new(), initial: Vec::new() };
        let velocity = model.velocity();
        let target = model.graph.input("target", &[ROWS, PATCH_SIZE]);
        let error = model.graph.mse_loss(velocity, target);
        model.graph.set_outputs(vec![error]);
        model
    }

    fn velocity(&mut self) -> NodeId {
        let patches = self.graph.input("patches", &[ROWS, PATCH_SIZE]);
        let features = self.graph.input("features", &[BATCH, TIME_FEATURES]);
        let labels = self.graph.input_u32("labels", &[BATCH]);

        let time = self.linear("time", features, TIME_FEATURES, WIDTH, 0.02);
        let time = self.graph.silu(time);
        let time = self.linear("time_out", time, WIDTH, WIDTH, 0.02);
        let table = self.parameter("labels.table", &[CLASSES + 1, WIDTH], 0.02);
        let label = self.graph.embedding(labels, table);
        let condition = self.graph.add(time, label);
        let condition = self.graph.silu(condition);

        let x = self.linear("patches", patches, PATCH_SIZE, WIDTH, xavier(PATCH_SIZE, WIDTH));
        let positions = measure::positions();
        let positions = positions.chunks(WIDTH).flat_map(|row| row.repeat(BATCH)).collect();
        let positions = self.graph.constant(positions, &[ROWS, WIDTH]);
        let x = self.graph.add(x, positions);
        let x = (0..DEPTH).fold(x, |x, block| self.block(&format!("blocks.{block}"), x, condition));

        let [shift, scale] = ["shift", "scale"].map(|part| self.linear(part, condition, WIDTH, WIDTH, 0.0));
        let x = modulated(&mut self.graph, x, scale, shift);
        self.linear("out", x, WIDTH, PATCH_SIZE, 0.0)
    }

    fn block(&mut self, name: &str, x: NodeId, condition: NodeId) -> NodeId {
        let [shift_1, scale_1, gate_1, shift_2, scale_2, gate_2] =
            ["shift_1", "scale_1", "gate_1", "shift_2", "scale_2", "gate_2"]
                .map(|part| self.linear(&format!("{name}.{part}"), condition, WIDTH, WIDTH, 0.0));

        let normed = modulated(&mut self.graph, x, scale_1, shift_1);
        let [query, key, value] = ["query", "key", "value"].map(|part| {
            let projected = self.linear(&format!("{name}.{part}"), normed, WIDTH, WIDTH, xavier(WIDTH, 3 * WIDTH));
            self.graph.reshape(projected, &[TOKENS, BATCH * WIDTH])
        });
        let attended = attention(&mut self.graph, query, key, value);
        let attended = self.graph.reshape(attended, &[ROWS, WIDTH]);
        let attended = self.linear(&format!("{name}.attended"), attended, WIDTH, WIDTH, xavier(WIDTH, WIDTH));
        let x = gated(&mut self.graph, x, gate_1, attended);

        let normed = modulated(&mut self.graph, x, scale_2, shift_2);
        let hidden = self.linear(&format!("{name}.mlp"), normed, WIDTH, HIDDEN, xavier(WIDTH, HIDDEN));
        let hidden = self.graph.gelu(hidden);
        let out = self.linear(&format!("{name}.mlp_out"), hidden, HIDDEN, WIDTH, xavier(WIDTH, HIDDEN));
        gated(&mut self.graph, x, gate_2, out)
    }

    fn linear(&mut self, name: &str, x: NodeId, from: usize, to: usize, bound: f32) -> NodeId {
        let weights = self.parameter(&format!("{name}.weight"), &[from, to], bound);
        let bias = self.parameter(&format!("{name}.bias"), &[to], 0.0);
        let product = self.graph.matmul(x, weights);
        self.graph.bias_add(product, bias)
    }

    /// A parameter whose values lie between −`bound` and `bound`.
    fn parameter(&mut self, name: &str, shape: &[usize], bound: f32) -> NodeId {
        let values = numbers(shape.iter().product(), self.initial.len() as u32);
        self.initial.push((name.into(), values.iter().map(|value| bound * value).collect()));
        self.graph.parameter(name, shape)
    }
}

fn xavier(from: usize, to: usize) -> f32 {
    (6.0 / (from + to) as f32).sqrt()
}

/// `norm(x) · (1 + scale) + shift`, of batch × width for every token.
pub fn modulated(graph: &mut Graph, x: NodeId, scale: NodeId, shift: NodeId) -> NodeId {
    let ones = graph.constant(vec![1.0; WIDTH], &[WIDTH]);
    let zeros = graph.constant(vec![0.0; WIDTH], &[WIDTH]);
    let normed = graph.layer_norm(x, ones, zeros, EPSILON);
    let factor = for_every_token(graph, 1.0, scale);
    let scaled = graph.mul(normed, factor);
    let scaled = graph.reshape(scaled, &[TOKENS, BATCH * WIDTH]);
    let shift = graph.reshape(shift, &[1, BATCH * WIDTH]);
    let shifted = graph.broadcast_add(scaled, shift);
    graph.reshape(shifted, &[ROWS, WIDTH])
}

/// `x + gate · y`, where the gate is of batch × width for every token.
pub fn gated(graph: &mut Graph, x: NodeId, gate: NodeId, y: NodeId) -> NodeId {
    let gate = for_every_token(graph, 0.0, gate);
    let y = graph.mul(gate, y);
    graph.add(x, y)
}

/// Attention of tokens × (batch · width).
pub fn attention(graph: &mut Graph, query: NodeId, key: NodeId, value: NodeId) -> NodeId {
    let heads = (BATCH * HEADS) as u32;
    graph.multi_head_attn(query, key, value, heads, heads, HEAD_DIM as u32, false)
}

/// `base + x` of batch × width, for every token.
fn for_every_token(graph: &mut Graph, base: f32, x: NodeId) -> NodeId {
    let shape = [TOKENS, BATCH * WIDTH];
    let base = graph.constant(vec![base; ROWS * WIDTH], &shape);
    let x = graph.reshape(x, &[1, BATCH * WIDTH]);
    let repeated = graph.broadcast_add(base, x);
    graph.reshape(repeated, &[ROWS, WIDTH])
}
