// AdamW with decoupled weight decay (Loshchilov and Hutter, 1711.05101, algorithm 2) and an
// exponential moving average of the parameters, in one pass over the arena:
//   g       = gradients · factor
//   first   = beta1 · first + (1 − beta1) · g
//   second  = beta2 · second + (1 − beta2) · g²
//   p       = p · (1 − rate · weight_decay) − rate / correction1 · first / (√second / correction2 + epsilon)
//   average = decay · average + (1 − decay) · p
// correction1 = 1 − beta1^step and correction2 = √(1 − beta2^step). Where the factor is 0, which
// means that the gradient was not finite, nothing changes.
//
// Bindings: gradients (len), clip (2: norm, factor), p, first, second, average (len each); as vec4, the last of
// which may reach beyond the end, where nothing changes.
// Launch: one invocation four elements, 64 a workgroup, folded into two dimensions.

import package::shared::linear::index;

struct Parameters {
    len: u32,
    rate: f32,
    beta1: f32,
    beta2: f32,
    epsilon: f32,
    weight_decay: f32,
    correction1: f32,
    correction2: f32,
    decay: f32,
}

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
    let within = vec4u(0u, 1u, 2u, 3u) + i * 4u < vec4u(parameters.len);
    let old_m = first[i];
    let old_v = second[i];
    let old_p = p[i];
    let old_average = average[i];
    let g = gradients[i] * factor;
    let m = parameters.beta1 * old_m + (1.0 - parameters.beta1) * g;
    let v = parameters.beta2 * old_v + (1.0 - parameters.beta2) * g * g;
    let step = parameters.rate / parameters.correction1 * m / (sqrt(v) / parameters.correction2 + parameters.epsilon);
    let new_p = old_p * (1.0 - parameters.rate * parameters.weight_decay) - step;
    let new_average = parameters.decay * old_average + (1.0 - parameters.decay) * new_p;
    first[i] = select(old_m, m, within);
    second[i] = select(old_v, v, within);
    p[i] = select(old_p, new_p, within);
    average[i] = select(old_average, new_average, within);
}
