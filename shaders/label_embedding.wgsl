// Adds to each item the embedding of its label. A label that the table has not gives NaN.
//
// Bindings: labels (batch), table (rows, width), x, out (batch, width).
// Launch: one invocation an element, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;

struct Parameters {
    len: u32,
    width: u32,
    rows: u32,
    not_a_number: f32, // a parameter, as WGSL refuses to write NaN
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read> x: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    if i >= parameters.len {
        return;
    }
    let label = labels[i / parameters.width];
    if label < parameters.rows {
        out[i] = x[i] + table[label * parameters.width + i % parameters.width];
    } else {
        out[i] = parameters.not_a_number;
    }
}
