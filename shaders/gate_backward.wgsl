// The gradient of a gate, of out = residual + gate ⊙ y with one gate for all tokens of an item:
// d y = upstream · gate, d gate += Σ over tokens of upstream · y.
//
// Bindings
//   y               (batch · tokens, width): what was gated
//   modulation      (batch, modulation_width); the gate is `width` columns from `gate` on
//   upstream        (batch · tokens, width)
//   out_y           (batch · tokens, width)
//   out_modulation  (batch, modulation_width); adds to the gate's columns
// Launch: one invocation for each (item, column), 64 a workgroup, folded into two dimensions; a loop
// over the tokens, neighbouring invocations on neighbouring columns.

import package::shared::linear::index;

struct Parameters {
    batch: u32,
    tokens: u32,
    width: u32,
    modulation_width: u32,
    gate: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> y: array<f32>;
@group(0) @binding(2) var<storage, read> modulation: array<f32>;
@group(0) @binding(3) var<storage, read> upstream: array<f32>;
@group(0) @binding(4) var<storage, read_write> out_y: array<f32>;
@group(0) @binding(5) var<storage, read_write> out_modulation: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    if i >= parameters.batch * parameters.width {
        return;
    }
    let item = i / parameters.width;
    let column = i % parameters.width;
    let position = item * parameters.modulation_width + parameters.gate + column;
    let gate = modulation[position];
    var sum = 0.0;
    for (var token = 0u; token < parameters.tokens; token++) {
        let at = (item * parameters.tokens + token) * parameters.width + column;
        sum += upstream[at] * y[at];
        out_y[at] = upstream[at] * gate;
    }
    out_modulation[position] += sum;
}
