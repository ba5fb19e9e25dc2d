// The gradient of layer_norm_modulate at shift and scale, summed over the tokens of an item:
// d shift += Σ upstream, d scale += Σ upstream · n, n the normalised x.
//
// Bindings
//   x           (batch · tokens, width)
//   statistics  (batch · tokens, 2): mean and 1 / √(variance + epsilon)
//   upstream    (batch · tokens, width)
//   out         (batch, modulation_width); adds to `width` columns from `shift` and from `scale` on
// Tiling: a workgroup takes 32 columns of an item with 8 tokens at a time, and adds the 8 partial sums through workgroup
// memory.
// Launch: batch · ceil(width / 32) workgroups of 32 × 8, folded into two dimensions.

import package::shared::linear::group_index;

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

// Partial sums for shift and scale.
var<workgroup> partial: array<vec2f, 256>;

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
    var sums = vec2f();
    if inside {
        for (var token = local.y; token < tokens; token += 8u) {
            let row = item * tokens + token;
            let gradient = upstream[row * width + column];
            let normalised = (x[row * width + column] - statistics[row * 2u]) * statistics[row * 2u + 1u];
            sums += gradient * vec2f(1.0, normalised);
        }
    }
    partial[local.y * 32u + local.x] = sums;
    workgroupBarrier();
    if local.y == 0u && inside {
        for (var i = 1u; i < 8u; i++) {
            sums += partial[i * 32u + local.x];
        }
        let first = item * parameters.modulation_width + column;
        out[first + parameters.shift] += sums.x;
        out[first + parameters.scale] += sums.y;
    }
}
