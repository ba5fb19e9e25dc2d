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
// Bindings: gradients (len), clip (2: norm, factor), p, first, second, average (len each).
// Launch: one invocation an element, 64 a workgroup, folded into two dimensions.

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
@group(0) @binding(1) var<storage, read> gradients: array<f32>;
@group(0) @binding(2) var<storage, read> clip: array<f32>;
@group(0) @binding(3) var<storage, read_write> p: array<f32>;
@group(0) @binding(4) var<storage, read_write> first: array<f32>;
@group(0) @binding(5) var<storage, read_write> second: array<f32>;
@group(0) @binding(6) var<storage, read_write> average: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = index(id, workgroups, 64u);
    let factor = clip[1];
    if i >= parameters.len || factor == 0.0 {
        return;
    }
    let g = gradients[i] * factor;
    let m = parameters.beta1 * first[i] + (1.0 - parameters.beta1) * g;
    let v = parameters.beta2 * second[i] + (1.0 - parameters.beta2) * g * g;
    let step = parameters.rate / parameters.correction1 * m / (sqrt(v) / parameters.correction2 + parameters.epsilon);
    let value = p[i] * (1.0 - parameters.rate * parameters.weight_decay) - step;
    first[i] = m;
    second[i] = v;
    p[i] = value;
    average[i] = parameters.decay * average[i] + (1.0 - parameters.decay) * value;
}
