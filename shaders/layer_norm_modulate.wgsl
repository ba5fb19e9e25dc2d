// LayerNorm without affine, then adaLN modulation (DiT, 2212.09748, section 3.2):
// out = (x − mean) / √(variance + epsilon) · (1 + scale) + shift, mean and (biased) variance of a row.
//
// Bindings
//   x           (batch · tokens, width)
//   modulation  (batch, modulation_width); shift and scale are `width` columns from `shift` and `scale` on
//   out         (batch · tokens, width)
//   statistics  (batch · tokens, 2): mean and 1 / √(variance + epsilon), for the backward pass
// Launch: a workgroup of 64 a row, folded into two dimensions; two reductions through workgroup memory.

import package::shared::reduce::sum64;

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
    var sum = 0.0;
    for (var i = lane; i < width; i += 64u) {
        sum += x[first + i];
    }
    let mean = sum64(lane, sum) / f32(width);
    // A second pass over the row: the variance from squares of differences does not cancel.
    var squares = 0.0;
    for (var i = lane; i < width; i += 64u) {
        let difference = x[first + i] - mean;
        squares += difference * difference;
    }
    let deviation = inverseSqrt(sum64(lane, squares) / f32(width) + parameters.epsilon);
    let item = row / parameters.tokens * parameters.modulation_width;
    for (var i = lane; i < width; i += 64u) {
        let normal = (x[first + i] - mean) * deviation;
        out[first + i] =
            normal * (1.0 + modulation[item + parameters.scale + i]) + modulation[item + parameters.shift + i];
    }
    if lane == 0u {
        statistics[row * 2u] = mean;
        statistics[row * 2u + 1u] = deviation;
    }
}
