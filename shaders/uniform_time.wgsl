// Times drawn uniformly, strictly between 0 and 1.
//
// Bindings: out (len).
// Launch: one invocation a time, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;
import package::shared::philox::{philox4x32, to_uniform, TIME};

struct Parameters {
    seed_low: u32,
    seed_high: u32,
    step: u32,
    len: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    if i >= parameters.len {
        return;
    }
    let key = vec2u(parameters.seed_low, parameters.seed_high);
    out[i] = to_uniform(philox4x32(vec4u(0u, i, parameters.step, TIME), key).x);
}
