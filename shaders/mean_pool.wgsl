// The mean of the tokens of each item.
//
// Bindings: x (batch · tokens, width), out (batch, width).
// Launch: one invocation for each (item, column), 64 a workgroup, folded into two dimensions; a loop
// over the tokens, neighbouring invocations on neighbouring columns.

import package::shared::linear::index;

struct Parameters {
    len: u32, // batch · width
    tokens: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    if i >= parameters.len {
        return;
    }
    let start = i / parameters.width * parameters.tokens * parameters.width + i % parameters.width;
    var sum = 0.0;
    for (var token = 0u; token < parameters.tokens; token++) {
        sum += x[start + token * parameters.width];
    }
    out[i] = sum / f32(parameters.tokens);
}
