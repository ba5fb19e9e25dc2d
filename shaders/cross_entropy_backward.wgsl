// The gradient of the mean over the rows of `cross_entropy` by the logits:
// upstream · (softmax(logits) - one-hot(label)) / rows. A label that is no class gives NaN, and so does a row with a
// NaN or +∞ in it.
//
// Bindings: logits (rows, classes), labels (rows), upstream (1), out (rows, classes).
// Launch: one invocation a row, 64 a workgroup, folded into two dimensions; three passes over the classes.

import package::shared::linear::index;

struct Parameters {
    rows: u32,
    classes: u32,
    scale: f32, // 1 / rows
    not_a_number: f32, // a parameter, as WGSL refuses to write NaN
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> logits: array<f32>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> upstream: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let row = index(id, workgroups, 64u);
    if row >= parameters.rows {
        return;
    }
    let start = row * parameters.classes;
    let label = labels[row];
    // exp of NaN is infinite with some drivers, and the others of the row would be zero: so it is looked for in the bits.
    var known = label < parameters.classes;
    var highest = logits[start];
    for (var i = 0u; i < parameters.classes; i++) {
        let bits = bitcast<u32>(logits[start + i]);
        known = known && ((bits & 0x7fffffffu) < 0x7f800000u || bits == 0xff800000u);
        highest = max(highest, logits[start + i]);
    }
    var sum = 0.0;
    for (var i = 0u; i < parameters.classes; i++) {
        sum += exp(logits[start + i] - highest);
    }
    let scale = select(parameters.not_a_number, parameters.scale * upstream[0], known);
    for (var i = 0u; i < parameters.classes; i++) {
        let probability = exp(logits[start + i] - highest) / sum;
        out[start + i] = scale * (probability - select(0.0, 1.0, i == label));
    }
}
