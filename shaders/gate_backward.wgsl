// The gradient of a gate, of out = residual + gate ⊙ y with one gate for all tokens of an item:
// d y = upstream · gate, d gate += Σ over tokens of upstream · y.
//
// Bindings
//   y               (batch · tokens, width): what was gated
//   modulation      (batch, modulation_width); the gate is `width` columns from `gate` on
//   upstream        (batch · tokens, width)
//   out_y           (batch · tokens, width)
//   out_modulation  (batch, modulation_width); adds to the gate's columns
// Tiling: a workgroup takes 32 columns of an item with 8 tokens at a time, and adds the 8 partial sums through workgroup
// memory.
// Launch: batch · ceil(width / 32) workgroups of 32 × 8, folded into two dimensions.

import package::shared::linear::group_index;

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

var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(32, 8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
) {
    let width = parameters.width;
    let tokens = parameters.tokens;
    let blocks = (width + 31u) / 32u;
    let index = group_index(group, workgroups);
    let item = index / blocks;
    let column = index % blocks * 32u + local.x;
    let inside = item < parameters.batch && column < width;
    let position = item * parameters.modulation_width + parameters.gate + column;
    var sum = 0.0;
    if inside {
        let gate = modulation[position];
        for (var token = local.y; token < tokens; token += 8u) {
            let i = (item * tokens + token) * width + column;
            let gradient = upstream[i];
            sum += gradient * y[i];
            out_y[i] = gradient * gate;
        }
    }
    partial[local.y * 32u + local.x] = sum;
    workgroupBarrier();
    if local.y == 0u && inside {
        for (var i = 1u; i < 8u; i++) {
            sum += partial[i * 32u + local.x];
        }
        out_modulation[position] += sum;
    }
}
