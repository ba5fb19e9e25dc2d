// layer_norm_modulate.wgsl, with the same contract and bindings, for adapters with subgroups of 8 or more: a row is
// summed up within a subgroup, without workgroup memory and barriers.
//
// Launch: a workgroup of 8, which is one subgroup, a row, folded into two dimensions.

import package::shared::subgroup::subgroup_sum;

struct Parameters {
    rows: u32,
    tokens: u32,
    width: u32,
    modulation_width: u32,
    shift: u32,
    scale: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> modulation: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;
@group(0) @binding(4) var<storage, read_write> statistics: array<f32>;

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
    var sum = 0.0;
    for (var i = lane; i < width; i += 8u) {
        sum += x[first + i];
    }
    let mean = subgroup_sum(sum) / f32(width);
    // A second pass over the row: the variance from squares of differences does not cancel.
    var squares = 0.0;
    for (var i = lane; i < width; i += 8u) {
        let difference = x[first + i] - mean;
        squares += difference * difference;
    }
    let deviation = inverseSqrt(subgroup_sum(squares) / f32(width) + parameters.epsilon);
    let item = row / parameters.tokens * parameters.modulation_width;
    for (var i = lane; i < width; i += 8u) {
        let normal = (x[first + i] - mean) * deviation;
        out[first + i] =
            normal * (1.0 + modulation[item + parameters.scale + i]) + modulation[item + parameters.shift + i];
    }
    if lane == 0u {
        statistics[row * 2u] = mean;
        statistics[row * 2u + 1u] = deviation;
    }
}
