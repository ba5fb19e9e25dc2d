// RMSNorm (Zhang and Sennrich, 1910.07467): out = x / √(mean(x²) + epsilon) · gain, the mean over a row.
//
// Bindings: x (rows, width), gain (width), out (rows, width).
// Tiling: a workgroup of 64 takes a row; each invocation sums up every 64th square, and the 64 sums are
// added pairwise in workgroup memory.
// Launch: a workgroup a row, folded into two dimensions.

struct Parameters {
    rows: u32,
    width: u32,
    epsilon: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read> gain: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    // The same for all of a workgroup, so that either all of it reaches the barriers or none.
    let row = group.y * groups.x + group.x;
    if row >= parameters.rows {
        return;
    }
    let width = parameters.width;
    var sum = 0.0;
    for (var i = lane; i < width; i += 64u) {
        sum += x[row * width + i] * x[row * width + i];
    }
    sums[lane] = sum;
    for (var half = 32u; half > 0u; half /= 2u) {
        workgroupBarrier();
        if lane < half {
            sums[lane] += sums[lane + half];
        }
    }
    workgroupBarrier();
    let factor = inverseSqrt(sums[0] / f32(width) + parameters.epsilon);
    for (var i = lane; i < width; i += 64u) {
        out[row * width + i] = x[row * width + i] * factor * gain[i];
    }
}
