// What memory gives and takes: out = x + factor · y, the triad of the STREAM benchmark.
//
// Bindings: x, y, out (len, a multiple of 4).
// Launch: one invocation a vec4, 64 a workgroup, folded into two dimensions.

struct Parameters {
    factor: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;
@group(0) @binding(2) var<storage, read> y: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let i = id.y * workgroups.x * 64u + id.x;
    if i >= arrayLength(&out) {
        return;
    }
    out[i] = x[i] + parameters.factor * y[i];
}
