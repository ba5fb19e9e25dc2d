// modulation_backward.wgsl, with the same contract and bindings, for software adapters with integers of 64 bits, which take
// eight floats at a time, as four pairs (shared/pairs.wgsl): no workgroup memory, no barrier.
// width, modulation_width, shift and scale are multiples of 8.
//
// Bindings: x, upstream, out, as four pairs; statistics, as a pair a row.
// Launch: an invocation eight columns of an item, 8 a workgroup, folded into two dimensions.

import package::shared::linear::index;
import package::shared::pairs::{eight_of, pack_eight, product_of_eight, unpack_eight, unpack_two};

struct Parameters {
    batch: u32,
    tokens: u32,
    width: u32,
    modulation_width: u32,
    shift: u32,
    scale: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<vec4<u64>>;
@group(0) @binding(2) var<storage, read> statistics: array<u64>;
@group(0) @binding(3) var<storage, read> upstream: array<vec4<u64>>;
@group(0) @binding(4) var<storage, read_write> out: array<vec4<u64>>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let eights = parameters.width / 8u;
    let position = index(id, workgroups, 8u);
    let item = position / eights;
    if item >= parameters.batch {
        return;
    }
    let eight = position % eights;
    var shifts = mat2x4f();
    var scales = mat2x4f();
    for (var token = 0u; token < parameters.tokens; token++) {
        let row = item * parameters.tokens + token;
        let gradient = unpack_eight(upstream[row * eights + eight]);
        let statistic = unpack_two(statistics[row]);
        let normal = (unpack_eight(x[row * eights + eight]) - eight_of(statistic.x)) * statistic.y;
        shifts += gradient;
        scales += product_of_eight(gradient, normal);
    }
    let first = item * (parameters.modulation_width / 8u) + eight;
    let shift = first + parameters.shift / 8u;
    let scale = first + parameters.scale / 8u;
    out[shift] = pack_eight(unpack_eight(out[shift]) + shifts);
    out[scale] = pack_eight(unpack_eight(out[scale]) + scales);
}
