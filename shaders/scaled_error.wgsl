// The mean over each item of (error / allowed)², where allowed = absolute + relative · the larger of |before|
// and |after|: below 1 an item is as exact as asked for.
//
// Bindings: error, before, after (batch, size), out (batch).
// Launch: a workgroup of 64 an item, folded into two dimensions; its lanes stride over the elements.

import package::shared::reduce::sum64;

struct Parameters {
    batch: u32,
    size: u32,
    absolute: f32,
    relative: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> error: array<f32>;
@group(0) @binding(2) var<storage, read> before: array<f32>;
@group(0) @binding(3) var<storage, read> after: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

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
    for (var i = item * parameters.size + lane; i < (item + 1u) * parameters.size; i += 64u) {
        let one = abs(before[i]);
        let other = abs(after[i]);
        let larger = 0.5 * (one + other + abs(one - other)); // which keeps NaN, as max need not
        let share = error[i] / (parameters.absolute + parameters.relative * larger);
        sum += share * share;
    }
    sum = sum64(lane, sum);
    if lane == 0u {
        out[item] = sum / f32(parameters.size);
    }
}
