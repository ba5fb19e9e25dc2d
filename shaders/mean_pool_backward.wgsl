// The gradient of `mean_pool` by the tokens: upstream / tokens, the same for every token of an item.
//
// Bindings: upstream (batch, width), out (batch · tokens, width).
// Launch: one invocation an element of out, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;

struct Parameters {
    len: u32, // batch · tokens · width
    tokens: u32,
    width: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> upstream: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    if i >= parameters.len {
        return;
    }
    let item = i / (parameters.tokens * parameters.width);
    let gradient = upstream[item * parameters.width + i % parameters.width] / f32(parameters.tokens);
    if parameters.accumulate != 0u {
        out[i] += gradient;
    } else {
        out[i] = gradient;
    }
}
