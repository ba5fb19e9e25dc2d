// layer_norm_modulate_backward.wgsl, with the same contract and bindings, for software adapters with integers of 64 bits,
// which take eight floats at a time, as four pairs (shared/pairs.wgsl): no workgroup memory, no barrier.
// width, modulation_width and scale are multiples of 8.
//
// Bindings: x, modulation, upstream, out, as four pairs; statistics, as a pair a row.
// Launch: an invocation a row, 8 a workgroup, folded into two dimensions.

import package::shared::linear::index;
import package::shared::pairs::{eight_of, pack_eight, product_of_eight, sum_of_eight, unpack_eight, unpack_two};

struct Parameters {
    rows: u32,
    tokens: u32,
    width: u32,
    modulation_width: u32,
    scale: u32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<vec4<u64>>;
@group(0) @binding(2) var<storage, read> modulation: array<vec4<u64>>;
@group(0) @binding(3) var<storage, read> statistics: array<u64>;
@group(0) @binding(4) var<storage, read> upstream: array<vec4<u64>>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4<u64>>;

// Eight gradients at the normalised row: upstream · (1 + scale).
fn gradient_at(i: u32, scale: u32) -> mat2x4f {
    return product_of_eight(unpack_eight(upstream[i]), eight_of(1.0) + unpack_eight(modulation[scale]));
}

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let row = index(id, workgroups, 8u);
    if row >= parameters.rows {
        return;
    }
    let eights = parameters.width / 8u;
    let first = row * eights;
    let statistic = unpack_two(statistics[row]);
    let mean = eight_of(statistic.x);
    let deviation = statistic.y;
    let scale = row / parameters.tokens * (parameters.modulation_width / 8u) + parameters.scale / 8u;
    var sums = mat2x4f();
    var sums_normal = mat2x4f();
    for (var i = 0u; i < eights; i++) {
        let g = gradient_at(first + i, scale + i);
        sums += g;
        sums_normal += product_of_eight(g, (unpack_eight(x[first + i]) - mean) * deviation);
    }
    let mean_g = sum_of_eight(sums) / f32(parameters.width);
    let mean_g_normal = sum_of_eight(sums_normal) / f32(parameters.width);
    for (var i = 0u; i < eights; i++) {
        let normal = (unpack_eight(x[first + i]) - mean) * deviation;
        var gradient = (gradient_at(first + i, scale + i) - eight_of(mean_g) - normal * mean_g_normal) * deviation;
        if parameters.accumulate != 0u {
            gradient += unpack_eight(out[first + i]);
        }
        out[first + i] = pack_eight(gradient);
    }
}
