// gate_backward.wgsl, with the same contract and bindings, for software adapters with integers of 64 bits, which take eight
// floats at a time, as four pairs (shared/pairs.wgsl): no workgroup memory, no barrier.
// width, modulation_width and gate are multiples of 8.
//
// Bindings: all as four pairs.
// Launch: an invocation eight columns of an item, 8 a workgroup, folded into two dimensions.

import package::shared::linear::index;
import package::shared::pairs::{pack_eight, product_of_eight, unpack_eight};

struct Parameters {
    batch: u32,
    tokens: u32,
    width: u32,
    modulation_width: u32,
    gate: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> y: array<vec4<u64>>;
@group(0) @binding(2) var<storage, read> modulation: array<vec4<u64>>;
@group(0) @binding(3) var<storage, read> upstream: array<vec4<u64>>;
@group(0) @binding(4) var<storage, read_write> out_y: array<vec4<u64>>;
@group(0) @binding(5) var<storage, read_write> out_modulation: array<vec4<u64>>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let eights = parameters.width / 8u;
    let position = index(id, workgroups, 8u);
    let item = position / eights;
    if item >= parameters.batch {
        return;
    }
    let eight = position % eights;
    let at = item * (parameters.modulation_width / 8u) + parameters.gate / 8u + eight;
    let gate = unpack_eight(modulation[at]);
    var sums = mat2x4f();
    for (var token = 0u; token < parameters.tokens; token++) {
        let i = (item * parameters.tokens + token) * eights + eight;
        let gradient = unpack_eight(upstream[i]);
        sums += product_of_eight(gradient, unpack_eight(y[i]));
        out_y[i] = pack_eight(product_of_eight(gradient, gate));
    }
    out_modulation[at] = pack_eight(unpack_eight(out_modulation[at]) + sums);
}
