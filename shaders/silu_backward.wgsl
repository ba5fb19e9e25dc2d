// The gradient of SiLU: out (+)= upstream · s(x) · (1 + x · (1 − s(x))), s the sigmoid.
//
// Bindings: x (len), upstream (len), out (len).
// Launch: one invocation an element, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;

struct Parameters {
    len: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> upstream: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    if i >= parameters.len {
        return;
    }
    let s = 1.0 / (1.0 + exp(-x[i]));
    let gradient = upstream[i] * s * (1.0 + x[i] * (1.0 - s));
    if parameters.accumulate != 0u {
        out[i] += gradient;
    } else {
        out[i] = gradient;
    }
}
