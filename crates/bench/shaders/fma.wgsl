// The most multiply-adds that the device does: out = rounds times v = a · v + b, with nothing to wait for.
//
// Bindings: out (32 · invocations).
// Tiling: an invocation keeps 8 vec4s in registers, none of which depends on another; four rounds to a turn
// of the loop, so that the loop itself weighs little.
// Launch: one invocation 32 elements, 64 a workgroup, along x; rounds are multiples of 4.

struct Parameters {
    rounds: u32,
    a: f32,
    b: f32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read_write> out: array<vec4f>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let first = 8u * id.x;
    if first >= arrayLength(&out) {
        return;
    }
    let a = vec4f(parameters.a);
    let b = vec4f(parameters.b);
    var v0 = vec4f(0.0);
    var v1 = vec4f(1.0);
    var v2 = vec4f(2.0);
    var v3 = vec4f(3.0);
    var v4 = vec4f(4.0);
    var v5 = vec4f(5.0);
    var v6 = vec4f(6.0);
    var v7 = vec4f(7.0);
    for (var turn = 0u; turn < parameters.rounds; turn += 4u) {
        v0 = fma(a, v0, b); v1 = fma(a, v1, b); v2 = fma(a, v2, b); v3 = fma(a, v3, b);
        v4 = fma(a, v4, b); v5 = fma(a, v5, b); v6 = fma(a, v6, b); v7 = fma(a, v7, b);
        v0 = fma(a, v0, b); v1 = fma(a, v1, b); v2 = fma(a, v2, b); v3 = fma(a, v3, b);
        v4 = fma(a, v4, b); v5 = fma(a, v5, b); v6 = fma(a, v6, b); v7 = fma(a, v7, b);
        v0 = fma(a, v0, b); v1 = fma(a, v1, b); v2 = fma(a, v2, b); v3 = fma(a, v3, b);
        v4 = fma(a, v4, b); v5 = fma(a, v5, b); v6 = fma(a, v6, b); v7 = fma(a, v7, b);
        v0 = fma(a, v0, b); v1 = fma(a, v1, b); v2 = fma(a, v2, b); v3 = fma(a, v3, b);
        v4 = fma(a, v4, b); v5 = fma(a, v5, b); v6 = fma(a, v6, b); v7 = fma(a, v7, b);
    }
    out[first] = v0;
    out[first + 1u] = v1;
    out[first + 2u] = v2;
    out[first + 3u] = v3;
    out[first + 4u] = v4;
    out[first + 5u] = v5;
    out[first + 6u] = v6;
    out[first + 7u] = v7;
}
