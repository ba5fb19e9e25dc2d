// The mean over each item of the squared difference.
//
// Bindings: prediction, target_values (batch, size), out (batch).
// Launch: a workgroup of 64 an item, folded into two dimensions; its lanes stride over the elements.

import package::shared::reduce::sum64;

struct Parameters {
    batch: u32,
    size: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> prediction: array<f32>;
@group(0) @binding(2) var<storage, read> target_values: array<f32>;
@group(0) @binding(3) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let item = workgroup.y * workgroups.x + workgroup.x;
    if item >= parameters.batch { // for the whole workgroup at once
        return;
    }
    var sum = 0.0;
    for (var i = lane; i < parameters.size; i += 64u) {
        let difference = prediction[item * parameters.size + i] - target_values[item * parameters.size + i];
        sum += difference * difference;
    }
    sum = sum64(lane, sum);
    if lane == 0u {
        out[item] = sum / f32(parameters.size);
    }
}
