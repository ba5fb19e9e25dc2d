// Puts images together from square patches, a row each: the inverse of `patchify`.
//
// Bindings: patches (batch · tokens, channels · p · p) with p = patch_side and
// tokens = (side / p)², out (batch, channels, side, side).
// Launch: one invocation an element of out, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;

struct Parameters {
    batch: u32,
    channels: u32,
    side: u32,
    patch_side: u32,
    channel_last: u32, // columns count (row, column, channel) rather than (channel, row, column)
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> patches: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let p = parameters.patch_side;
    let side = parameters.side;
    let along = side / p;
    let i = index(id, workgroups, 64u);
    let x = i % side;
    let y = i / side % side;
    let plane = i / (side * side);
    let channel = plane % parameters.channels;
    let item = plane / parameters.channels;
    if item >= parameters.batch {
        return;
    }
    let row = (item * along + y / p) * along + x / p;
    let place = y % p * p + x % p;
    let column = select(channel * p * p + place, place * parameters.channels + channel, parameters.channel_last != 0u);
    out[i] = patches[row * parameters.channels * p * p + column];
}
