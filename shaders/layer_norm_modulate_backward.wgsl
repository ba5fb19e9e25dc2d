// The gradient of layer_norm_modulate at x. With g = upstream · (1 + scale), n the normalised row
// and r = 1 / √(variance + epsilon): out (+)= r · (g − mean(g) − n · mean(g · n)).
//
// Bindings
//   x           (batch · tokens, width)
//   modulation  (batch, modulation_width); scale is `width` columns from `scale` on
//   statistics  (batch · tokens, 2): mean and r, as the forward pass left them
//   upstream    (batch · tokens, width)
//   out         (batch · tokens, width)
// Launch: a workgroup of 64 a row, folded into two dimensions; two reductions through workgroup memory.

import package::shared::reduce::sum64;

struct Parameters {
    rows: u32,
    tokens: u32,
    width: u32,
    modulation_width: u32,
    scale: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> modulation: array<f32>;
@group(0) @binding(3) var<storage, read> statistics: array<f32>;
@group(0) @binding(4) var<storage, read> upstream: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let row = group.y * groups.x + group.x;
    if row >= parameters.rows {
        return;
    }
    let width = parameters.width;
    let first = row * width;
    let mean = statistics[row * 2u];
    let deviation = statistics[row * 2u + 1u];
    let scale = row / parameters.tokens * parameters.modulation_width + parameters.scale;
    var sum = 0.0;
    var sum_normal = 0.0;
    for (var i = lane; i < width; i += 64u) {
        let g = upstream[first + i] * (1.0 + modulation[scale + i]);
        sum += g;
        sum_normal += g * (x[first + i] - mean) * deviation;
    }
    let mean_g = sum64(lane, sum) / f32(width);
    let mean_g_normal = sum64(lane, sum_normal) / f32(width);
    for (var i = lane; i < width; i += 64u) {
        let g = upstream[first + i] * (1.0 + modulation[scale + i]);
        let normal = (x[first + i] - mean) * deviation;
        let gradient = deviation * (g - mean_g - normal * mean_g_normal);
        if parameters.accumulate != 0u {
            out[first + i] += gradient;
        } else {
            out[first + i] = gradient;
        }
    }
}
