// AdamW with decoupled weight decay (Loshchilov and Hutter, 1711.05101, algorithm 2) and an
// exponential moving average of the parameters:
//   g       = gradient · factor
//   first   = beta1 · first + (1 − beta1) · g
//   second  = beta2 · second + (1 − beta2) · g²
//   p       = p · (1 − rate · weight_decay) − rate / correction1 · first / (√second / correction2 + epsilon)
//   average = decay · average + (1 − decay) · p
// correction1 = 1 − beta1^step and correction2 = √(1 − beta2^step).

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

// What the optimiser has of four parameters.
struct State {
    p: vec4f,
    first: vec4f,
    second: vec4f,
    average: vec4f,
}

// The next state of the parameters from number `index` on; what lies beyond the last one stays.
fn next(parameters: Parameters, index: u32, old: State, gradient: vec4f, factor: f32) -> State {
    let g = gradient * factor;
    let first = parameters.beta1 * old.first + (1.0 - parameters.beta1) * g;
    let second = parameters.beta2 * old.second + (1.0 - parameters.beta2) * g * g;
    let step =
        parameters.rate / parameters.correction1 * first / (sqrt(second) / parameters.correction2 + parameters.epsilon);
    let p = old.p * (1.0 - parameters.rate * parameters.weight_decay) - step;
    let average = parameters.decay * old.average + (1.0 - parameters.decay) * p;
    let within = vec4u(0u, 1u, 2u, 3u) + index < vec4u(parameters.len);
    return State(
        select(old.p, p, within),
        select(old.first, first, within),
        select(old.second, second, within),
        select(old.average, average, within),
    );
}
