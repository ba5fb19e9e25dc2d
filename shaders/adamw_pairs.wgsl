// adamw.wgsl, with the same contract and bindings, for software adapters with integers of 64 bits, which take eight floats
// at a time, as four pairs (shared/pairs.wgsl).
//
// Bindings: gradients (len), clip (2: norm, factor), p, first, second, average (len each); as four pairs, the last of
// which may reach beyond the end, where nothing changes.
// Launch: one invocation eight elements, 64 a workgroup, folded into two dimensions.

import package::shared::adamw::{Parameters, State, next};
import package::shared::linear::index;
import package::shared::pairs::{pack_eight, unpack_eight};

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> gradients: array<vec4<u64>>;
@group(0) @binding(2) var<storage, read> clip: array<f32>;
@group(0) @binding(3) var<storage, read_write> p: array<vec4<u64>>;
@group(0) @binding(4) var<storage, read_write> first: array<vec4<u64>>;
@group(0) @binding(5) var<storage, read_write> second: array<vec4<u64>>;
@group(0) @binding(6) var<storage, read_write> average: array<vec4<u64>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    let factor = clip[1];
    if i * 8u >= parameters.len || factor == 0.0 {
        return;
    }
    let gradient = unpack_eight(gradients[i]);
    let old_p = unpack_eight(p[i]);
    let old_first = unpack_eight(first[i]);
    let old_second = unpack_eight(second[i]);
    let old_average = unpack_eight(average[i]);
    let a = next(parameters, i * 8u, State(old_p[0], old_first[0], old_second[0], old_average[0]), gradient[0], factor);
    let b = next(parameters, i * 8u + 4u, State(old_p[1], old_first[1], old_second[1], old_average[1]), gradient[1], factor);
    p[i] = pack_eight(mat2x4f(a.p, b.p));
    first[i] = pack_eight(mat2x4f(a.first, b.first));
    second[i] = pack_eight(mat2x4f(a.second, b.second));
    average[i] = pack_eight(mat2x4f(a.average, b.average));
}
