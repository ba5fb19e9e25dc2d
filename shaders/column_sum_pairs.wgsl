// column_sum_quads.wgsl, with the same contract and bindings, for software adapters with integers of 64 bits, which take a
// pair of floats at a time (shared/pairs.wgsl).
// columns is a multiple of 4.
//
// Bindings: x (rows, columns), as two pairs; out (columns), as vec4.
// Tiling: an invocation goes down four columns.
// Launch: ceil(columns / 32) workgroups of 8.

import package::shared::pairs::unpack;

struct Parameters {
    rows: u32,
    columns: u32,
    scale: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<vec2<u64>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let quads = parameters.columns / 4u;
    let quad = id.x;
    if quad >= quads {
        return;
    }
    var sum = vec4f();
    for (var i = quad; i < parameters.rows * quads; i += quads) {
        sum += unpack(x[i]);
    }
    sum *= parameters.scale;
    if parameters.accumulate != 0u {
        sum += out[quad];
    }
    out[quad] = sum;
}
