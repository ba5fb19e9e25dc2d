// The gradient of GELU (tanh approximation) at its input x: out = upstream · gelu'(x).
//
// Bindings: x (len), upstream (len), out (len).
// Launch: one invocation an element, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;
import package::shared::gelu::gelu_derivative;

struct Parameters {
    len: u32,
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
    out[i] = upstream[i] * gelu_derivative(x[i]);
}
