// column_sum_quads.wgsl, with the same contract and bindings, for software adapters with integers of 64 bits, which take
// eight floats at a time, as four pairs (shared/pairs.wgsl).
// columns is a multiple of 8.
//
// Bindings: x (rows, columns), as four pairs; out (columns), as vec4.
// Tiling: an invocation goes down eight columns, eight rows at a time.
// Launch: ceil(columns / 64) workgroups of 8.

import package::shared::pairs::unpack_eight;

struct Parameters {
    rows: u32,
    columns: u32,
    scale: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<vec4<u64>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let eights = parameters.columns / 8u;
    let eight = id.x;
    if eight >= eights {
        return;
    }
    let len = parameters.rows * eights;
    var sums = mat2x4f();
    var i = eight;
    for (; i + 7u * eights < len; i += 8u * eights) {
        let a = unpack_eight(x[i]);
        let b = unpack_eight(x[i + eights]);
        let c = unpack_eight(x[i + 2u * eights]);
        let d = unpack_eight(x[i + 3u * eights]);
        let e = unpack_eight(x[i + 4u * eights]);
        let f = unpack_eight(x[i + 5u * eights]);
        let g = unpack_eight(x[i + 6u * eights]);
        let h = unpack_eight(x[i + 7u * eights]);
        sums = sums + a + b + c + d + e + f + g + h;
    }
    for (; i < len; i += eights) {
        sums += unpack_eight(x[i]);
    }
    store(2u * eight, sums[0]);
    store(2u * eight + 1u, sums[1]);
}

fn store(quad: u32, sum: vec4f) {
    var scaled = sum * parameters.scale;
    if parameters.accumulate != 0u {
        scaled += out[quad];
    }
    out[quad] = scaled;
}
