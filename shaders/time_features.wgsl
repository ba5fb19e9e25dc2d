// Sinusoidal features of times: the cosines, then the sines, of angle = scale · t · frequency.
// Angles exceed what drivers' own cosines are good for, hence the shared one. An angle of 2²⁴ or more,
// and one that is not finite, has NaN for features: a run that has gone astray is not to look sound.
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
    let angle = parameters.scale * time[item] * frequencies[column];
    var features = cos_sin(turns(angle));
    let bits = bitcast<u32>(angle);
    if (bits & 0x7fffffffu) >= 0x4b800000u {
        // 2²⁴ or more, infinite or NaN: NaN by its bits, as arithmetic on it may be optimised away.
        features = vec2f(bitcast<f32>(bits | 0x7fc00000u));
    }
    out[item * 2u * half + column] = features.x;
    out[item * 2u * half + half + column] = features.y;
}
