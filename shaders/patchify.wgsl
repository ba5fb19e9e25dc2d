// Cuts images into square patches, a row each.
//
// Bindings: images (source_batch, channels, side, side), out (batch · tokens, channels · p · p) with
// p = patch_side and tokens = (side / p)²; item b reads image b % source_batch.
// Launch: one invocation an element of out, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;

struct Parameters {
    batch: u32,
    source_batch: u32,
    channels: u32,
    side: u32,
    patch_side: u32,
    channel_last: u32, // columns count (row, column, channel) rather than (channel, row, column)
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> images: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let p = parameters.patch_side;
    let along = parameters.side / p;
    let width = parameters.channels * p * p;
    let i = index(id, workgroups, 64u);
    let row = i / width;
    let column = i % width;
    let item = row / (along * along);
    if item >= parameters.batch {
        return;
    }
    var channel = column / (p * p);
    var place = column % (p * p);
    if parameters.channel_last != 0u {
        channel = column % parameters.channels;
        place = column / parameters.channels;
    }
    let token = row % (along * along);
    let y = token / along * p + place / p;
    let x = token % along * p + place % p;
    let plane = item % parameters.source_batch * parameters.channels + channel;
    out[i] = images[(plane * parameters.side + y) * parameters.side + x];
}
