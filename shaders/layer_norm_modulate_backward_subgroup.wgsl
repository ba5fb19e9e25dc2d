// layer_norm_modulate_backward.wgsl, with the same contract and bindings, for adapters with subgroups of 8 or more: a row is
// summed up within a subgroup, without workgroup memory and barriers.
//
// Launch: a workgroup of 8, which is one subgroup, a row, folded into two dimensions.

import package::shared::subgroup::subgroup_sum;

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

@compute @workgroup_size(8)
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
    for (var i = lane; i < width; i += 8u) {
        let g = upstream[first + i] * (1.0 + modulation[scale + i]);
        sum += g;
        sum_normal += g * (x[first + i] - mean) * deviation;
    }
    let mean_g = subgroup_sum(sum) / f32(width);
    let mean_g_normal = subgroup_sum(sum_normal) / f32(width);
    for (var i = lane; i < width; i += 8u) {
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
