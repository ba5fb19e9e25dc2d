// The second half of the gradient's norm, and the factor that clips it (Pascanu et al., 1211.5063):
// out = [norm, min(1, max_norm / norm)], norm = √Σ partials; the factor is 0 where the norm is not finite.
//
// Bindings: partials (len), out (2).
// Launch: one workgroup of 64; one reduction through workgroup memory.

import package::shared::reduce::sum64;

struct Parameters {
    len: u32,
    max_norm: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < parameters.len; i += 64u) {
        sum += partials[i];
    }
    let norm = sqrt(sum64(lane, sum));
    if lane == 0u {
        out[0] = norm;
        // By its bits: compilers may take comparisons for proof that there is no NaN.
        let finite = (bitcast<u32>(norm) & 0x7f800000u) != 0x7f800000u;
        out[1] = select(0.0, min(1.0, parameters.max_norm / max(norm, 1e-30)), finite);
    }
}
