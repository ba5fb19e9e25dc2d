// The gradient of layer_norm_modulate at shift and scale, summed over the tokens of an item:
// d shift += Σ upstream, d scale += Σ upstream · n, n the normalised x.
//
// Bindings
//   x           (batch · tokens, width)
//   statistics  (batch · tokens, 2): mean and 1 / √(variance + epsilon)
//   upstream    (batch · tokens, width)
//   out         (batch, modulation_width); adds to `width` columns from `shift` and from `scale` on
// Launch: one invocation for each (item, column), 64 a workgroup, folded into two dimensions; a loop
// over the tokens, neighbouring invocations on neighbouring columns.

import package::shared::linear::index;

struct Parameters {
    batch: u32,
    tokens: u32,
    width: u32,
    modulation_width: u32,
    shift: u32,
    scale: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> statistics: array<f32>;
@group(0) @binding(3) var<storage, read> upstream: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    if i >= parameters.batch * parameters.width {
        return;
    }
    let item = i / parameters.width;
    let column = i % parameters.width;
    var shift = 0.0;
    var scale = 0.0;
    for (var token = 0u; token < parameters.tokens; token++) {
        let row = item * parameters.tokens + token;
        let gradient = upstream[row * parameters.width + column];
        shift += gradient;
        scale += gradient * (x[row * parameters.width + column] - statistics[row * 2u]) * statistics[row * 2u + 1u];
    }
    out[item * parameters.modulation_width + parameters.shift + column] += shift;
    out[item * parameters.modulation_width + parameters.scale + column] += scale;
}
