// AdamW and the moving average of the parameters, in one pass over the arena (shared/adamw.wgsl). Where the clip factor is
// 0, which means that the gradient was not finite, nothing changes.
//
// Bindings: gradients (len), clip (2: norm, factor), p, first, second, average (len each); as vec4, the last of
// which may reach beyond the end, where nothing changes.
// Launch: one invocation four elements, 64 a workgroup, folded into two dimensions.

import package::shared::adamw::{Parameters, State, next};
import package::shared::linear::index;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(2) var<storage, read> clip: array<f32>;
@group(0) @binding(3) var<storage, read_write> p: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> first: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> second: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> average: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    let factor = clip[1];
    if i * 4u >= parameters.len || factor == 0.0 {
        return;
    }
    let state = next(parameters, i * 4u, State(p[i], first[i], second[i], average[i]), gradients[i], factor);
    p[i] = state.p;
    first[i] = state.first;
    second[i] = state.second;
    average[i] = state.average;
}
