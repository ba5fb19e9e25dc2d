// A step of Euler's method along the guided velocity:
// x += dt · (null + guidance · (conditional - null)).
//
// Bindings: velocity (2, len): conditional, then null; x (len), in place.
// Launch: one invocation an element, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;

struct Parameters {
    len: u32,
    guidance: f32,
    dt: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> velocity: array<f32>;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    if i >= parameters.len {
        return;
    }
    let conditional = velocity[i];
    let unconditional = velocity[parameters.len + i];
    x[i] += parameters.dt * (unconditional + parameters.guidance * (conditional - unconditional));
}
