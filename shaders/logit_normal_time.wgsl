// Times whose logit ln(t / (1 - t)) is normal, strictly between 0 and 1.
//
// Bindings: out (len).
// Launch: one invocation a time, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;
import package::shared::normal::normals;
import package::shared::philox::{philox4x32, TIME};

struct Parameters {
    seed_low: u32,
    seed_high: u32,
    step: u32,
    len: u32,
    mean: f32,
    deviation: f32,
}

// The ends of what `to_uniform` gives: ½ · 2⁻²⁴ and 1 - 2⁻²⁴.
const FIRST = 2.98023223876953125e-8;
const LAST = 0.999999940395355224609375;
// Beyond these logits a time is FIRST or LAST, and e to the logit is still a float.
const MOST = 20.0;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    if i >= parameters.len {
        return;
    }
    let words = philox4x32(vec4u(0u, i, parameters.step, TIME), vec2u(parameters.seed_low, parameters.seed_high));
    let logit = parameters.mean + parameters.deviation * normals(words.x, words.y).x;
    out[i] = clamp(1.0 / (1.0 + exp(-clamp(logit, -MOST, MOST))), FIRST, LAST);
}
