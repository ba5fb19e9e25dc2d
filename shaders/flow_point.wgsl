// A point on the path from noise (time 0) to data (time 1), and the velocity along it:
// point = α · data + σ · noise, velocity = α' · data + σ' · noise, with the coefficients of the time.
//
// Bindings: data, noise (batch, size), time (batch), out_point, out_velocity (batch, size).
// Launch: one invocation an element, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;
import package::shared::path::coefficients;

struct Parameters {
    len: u32,
    size: u32,
    path: u32,
    degree: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> data: array<f32>;
@group(0) @binding(2) var<storage, read> noise: array<f32>;
@group(0) @binding(3) var<storage, read> time: array<f32>;
@group(0) @binding(4) var<storage, read_write> out_point: array<f32>;
@group(0) @binding(5) var<storage, read_write> out_velocity: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    if i >= parameters.len {
        return;
    }
    let c = coefficients(parameters.path, parameters.degree, time[i / parameters.size]);
    out_point[i] = c.x * data[i] + c.y * noise[i];
    out_velocity[i] = c.z * data[i] + c.w * noise[i];
}
