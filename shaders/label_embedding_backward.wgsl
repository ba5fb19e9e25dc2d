// The gradient of `label_embedding` by its table: each row gets the sum over the items of its label.
//
// Bindings: labels (batch), upstream (batch, width), out (rows, width).
// Launch: one invocation an element of out, 64 a workgroup, folded into two dimensions. It looks
// through all labels: batches are small, and sums come out the same on every run, as they would
// not by atomics.

import package::shared::linear::index;

struct Parameters {
    batch: u32,
    width: u32,
    rows: u32,
    accumulate: u32, // add to out instead of overwriting it
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> labels: array<u32>;
@group(0) @binding(2) var<storage, read> upstream: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    let row = i / parameters.width;
    if row >= parameters.rows {
        return;
    }
    let column = i % parameters.width;
    var sum = 0.0;
    if parameters.accumulate != 0u {
        sum = out[i];
    }
    for (var item = 0u; item < parameters.batch; item++) {
        if labels[item] == row {
            sum += upstream[item * parameters.width + column];
        }
    }
    out[i] = sum;
}
