// A shuffled batch out of a data set of bytes: pixels to -1..1, labels to words.
//
// The sample number p of the epoch is number permute(p) of the data set: a keyed bijection of
// 0..count, computed rather than stored. A batch may run over into the next epoch.
//
// Bindings: images (count, size) and labels (count), bytes packed in words;
// out_images (batch, size), out_labels (batch).
// Launch: a workgroup of 64 a sample, folded into two dimensions; its lanes stride over the pixels,
// so that the permutation is worked out once a lane, not once a pixel.

import package::shared::philox::{philox4x32, SHUFFLE};

struct Parameters {
    seed_low: u32,
    seed_high: u32,
    epoch: u32,
    offset: u32,
    count: u32,
    size: u32,
    batch: u32,
    half_bits: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> images: array<u32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read_write> out_images: array<f32>;
@group(0) @binding(4) var<storage, read_write> out_labels: array<u32>;

// A Feistel network over the smallest even number of bits that hold `count`, walked along its
// cycle until it is back below `count`: a bijection there too.
fn permute(position: u32, epoch: u32) -> u32 {
    let key = vec2u(parameters.seed_low, parameters.seed_high);
    let mask = (1u << parameters.half_bits) - 1u;
    var value = position;
    loop {
        var left = value >> parameters.half_bits;
        var right = value & mask;
        for (var round = 0u; round < 4u; round++) {
            let next = left ^ (philox4x32(vec4u(right, round, epoch, SHUFFLE), key).x & mask);
            left = right;
            right = next;
        }
        value = (left << parameters.half_bits) | right;
        if value < parameters.count {
            break;
        }
    }
    return value;
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let sample = workgroup.y * workgroups.x + workgroup.x;
    if sample >= parameters.batch {
        return;
    }
    let left = parameters.count - parameters.offset;
    let carried = sample >= left;
    let position = select(parameters.offset + sample, sample - left, carried);
    let source = permute(position, parameters.epoch + select(0u, 1u, carried));
    for (var pixel = lane; pixel < parameters.size; pixel += 64u) {
        let i = source * parameters.size + pixel;
        let byte = (images[i / 4u] >> (8u * (i % 4u))) & 0xffu;
        out_images[sample * parameters.size + pixel] = (2.0 * f32(byte) - 255.0) / 255.0;
    }
    if lane == 0u {
        out_labels[sample] = (labels[source / 4u] >> (8u * (source % 4u))) & 0xffu;
    }
}
