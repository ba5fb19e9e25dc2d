// Softmax cross-entropy of each row: log Σ exp(logits) - logits[label]. A label that is no class gives NaN.
//
// Bindings: logits (rows, classes), labels (rows), out (rows).
// Launch: one invocation a row, 64 a workgroup, folded into two dimensions; two passes over the classes,
// the first for the largest logit, so that no exponential overflows.

import package::shared::linear::index;

struct Parameters {
    rows: u32,
    classes: u32,
    not_a_number: f32, // a parameter, as WGSL refuses to write NaN
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let row = index(id, workgroups, 64u);
    if row >= parameters.rows {
        return;
    }
    let start = row * parameters.classes;
    let label = labels[row];
    if label >= parameters.classes {
        out[row] = parameters.not_a_number;
        return;
    }
    var highest = logits[start];
    for (var i = 1u; i < parameters.classes; i++) {
        highest = max(highest, logits[start + i]);
    }
    var sum = 0.0;
    for (var i = 0u; i < parameters.classes; i++) {
        sum += exp(logits[start + i] - highest);
    }
    out[row] = log(sum) + (highest - logits[start + label]);
}
