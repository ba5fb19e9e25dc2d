// adamw.wgsl, with the same contract and bindings, for software adapters with integers of 64 bits, which take a pair of
// floats at a time (shared/pairs.wgsl).
//
// Bindings: gradients (len), clip (2: norm, factor), p, first, second, average (len each); as two pairs, the last of
// which may reach beyond the end, where nothing changes.
// Launch: one invocation four elements, 64 a workgroup, folded into two dimensions.

import package::shared::adamw::{Parameters, State, next};
import package::shared::linear::index;
import package::shared::pairs::{pack, unpack};

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> gradients: array<vec2<u64>>;
@group(0) @binding(2) var<storage, read> clip: array<f32>;
@group(0) @binding(3) var<storage, read_write> p: array<vec2<u64>>;
@group(0) @binding(4) var<storage, read_write> first: array<vec2<u64>>;
@group(0) @binding(5) var<storage, read_write> second: array<vec2<u64>>;
@group(0) @binding(6) var<storage, read_write> average: array<vec2<u64>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    let factor = clip[1];
    if i * 4u >= parameters.len || factor == 0.0 {
        return;
    }
    let old = State(unpack(p[i]), unpack(first[i]), unpack(second[i]), unpack(average[i]));
    let state = next(parameters, i * 4u, old, unpack(gradients[i]), factor);
    p[i] = pack(state.p);
    first[i] = pack(state.first);
    second[i] = pack(state.second);
    average[i] = pack(state.average);
}
