// The gradient of the mean over the batch of `mse` by the prediction.
//
// Bindings: prediction, target_values (len), upstream (1), out (len).
// Launch: one invocation an element, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;

struct Parameters {
    len: u32,
    scale: f32, // 2 / len
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<storage, read> target_values: array<f32>;
@group(0) @binding(3) var<storage, read> upstream: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    if i >= parameters.len {
        return;
    }
    out[i] = parameters.scale * upstream[0] * (prediction[i] - target_values[i]);
}
