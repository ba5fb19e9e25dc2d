// Partial sums of squares, the first half of a norm: Σ over all partials = Σ x².
//
// Bindings: x (len), partials (one a workgroup).
// Tiling: a workgroup of 64 strides over x by all workgroups' invocations, and reduces through
// workgroup memory.
// Launch: as many workgroups as there are partials.

import package::shared::reduce::sum64;

struct Parameters {
    len: u32,
    partials: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> partials: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let len = parameters.len;
    let stride = parameters.partials * 64u;
    var sum = 0.0;
    for (var i = group.x * 64u + lane; i < len; i += stride) {
        let value = x[i];
        sum += value * value;
    }
    let total = sum64(lane, sum);
    if lane == 0u {
        partials[group.x] = total;
    }
}
