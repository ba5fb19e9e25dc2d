// Sinusoidal features of times: the cosines, then the sines, of angle = scale · t · frequency.
// Angles exceed what drivers' own cosines are good for, hence the shared one.
//
// Bindings: time (batch), frequencies (half), out (batch, 2 · half).
// Launch: one invocation an angle, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;
import package::shared::trigonometry::{cos_sin, turns};

struct Parameters {
    scale: f32,
    batch: u32,
    half: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> time: array<f32>;
@group(0) @binding(2) var<storage, read> frequencies: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let half = parameters.half;
    let i = index(id, workgroups, 64u);
    let item = i / half;
    if item >= parameters.batch {
        return;
    }
    let column = i % half;
    let features = cos_sin(turns(parameters.scale * time[item] * frequencies[column]));
    out[item * 2u * half + column] = features.x;
    out[item * 2u * half + half + column] = features.y;
}
