// layer_norm_modulate.wgsl, with the same contract and bindings, for software adapters with integers of 64 bits, which take
// eight floats at a time, as four pairs (shared/pairs.wgsl): no workgroup memory, no barrier.
// width, modulation_width, shift and scale are multiples of 8.
//
// Bindings: x, modulation, out, as four pairs; statistics, as a pair a row.
// Launch: an invocation a row, 8 a workgroup, folded into two dimensions.

import package::shared::linear::index;
import package::shared::pairs::{eight_of, pack_eight, pack_two, product_of_eight, sum_of_eight, unpack_eight};

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
@group(0) @binding(1) var<storage, read> x: array<vec4<u64>>;
@group(0) @binding(2) var<storage, read> modulation: array<vec4<u64>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<u64>>;
@group(0) @binding(4) var<storage, read_write> statistics: array<u64>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let row = index(id, workgroups, 8u);
    if row >= parameters.rows {
        return;
    }
    let eights = parameters.width / 8u;
    let first = row * eights;
    var sums = mat2x4f();
    for (var i = 0u; i < eights; i++) {
        sums += unpack_eight(x[first + i]);
    }
    let mean = sum_of_eight(sums) / f32(parameters.width);
    let means = eight_of(mean);
    // A second pass over the row: the variance from squares of differences does not cancel.
    var squares = mat2x4f();
    for (var i = 0u; i < eights; i++) {
        let differences = unpack_eight(x[first + i]) - means;
        squares += product_of_eight(differences, differences);
    }
    let deviation = inverseSqrt(sum_of_eight(squares) / f32(parameters.width) + parameters.epsilon);
    let item = row / parameters.tokens * (parameters.modulation_width / 8u);
    let shift = item + parameters.shift / 8u;
    let scale = item + parameters.scale / 8u;
    for (var i = 0u; i < eights; i++) {
        let normal = (unpack_eight(x[first + i]) - means) * deviation;
        let scales = eight_of(1.0) + unpack_eight(modulation[scale + i]);
        out[first + i] = pack_eight(product_of_eight(normal, scales) + unpack_eight(modulation[shift + i]));
    }
    statistics[row] = pack_two(vec2f(mean, deviation));
}
