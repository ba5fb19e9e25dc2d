// The gradient of attention, for adapters that run on a CPU and have subgroups of 8 or more and integers of 64 bits: same
// contract, bindings and formulas as attention_backward.wgsl, with a vec4 as two pairs of floats (shared/pairs.wgsl), but
// no workgroup memory and no barriers.
//
// Tiling: an invocation has one token, first as a query, then as a key, and goes through the other tokens sixteen
// at a time; their P and dS stay in registers. The lanes of a subgroup read the other tokens for each other. What
// a token has summed up so far waits in `out`.
// Launch: (ceil(tokens / 8), heads, batch) workgroups of 8.

import package::shared::pairs::{pack, unpack};
import package::shared::subgroup::{lower, upper, lower_scalars, upper_scalars};

struct Parameters {
    tokens: u32,
    heads: u32,
    head_dim: u32,
}

const TILE = 16u;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> qkv: array<vec2<u64>>;
@group(0) @binding(2) var<storage, read> output: array<vec2<u64>>;
@group(0) @binding(3) var<storage, read> log_sum: array<f32>;
@group(0) @binding(4) var<storage, read> upstream: array<vec2<u64>>;
@group(0) @binding(5) var<storage, read_write> out: array<vec2<u64>>;

// P of four pairs, of which one token is `first` to `first + 3`; zero beyond the last.
fn weights(first: u32, scores: vec4f, log_sums: vec4f) -> vec4f {
    let scale = inverseSqrt(f32(parameters.head_dim));
    let within = vec4u(first, first + 1u, first + 2u, first + 3u) < vec4u(parameters.tokens);
    return select(vec4f(), exp(scores * scale - log_sums), within);
}

// dS of four pairs.
fn gradients(weights: vec4f, products: vec4f, deltas: vec4f) -> vec4f {
    return weights * (products - deltas) * inverseSqrt(f32(parameters.head_dim));
}

@compute @workgroup_size(8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let lane = subgroup_lane % 8u;
    let tokens = parameters.tokens;
    let quads = parameters.head_dim / 4u;
    let width = parameters.heads * quads;
    let stride = 3u * width;
    let head = group.z * tokens * stride + group.y * quads;
    let head_out = group.z * tokens * width + group.y * quads;
    let head_sums = (group.z * parameters.heads + group.y) * tokens;
    // Lanes beyond the last token stay, for what they read of the others; they repeat the last, and store nothing.
    let own = group.x * 8u + index;
    let token = min(own, tokens - 1u);
    let q = head + token * stride;
    let k = q + width;
    let v = k + width;
    let g = head_out + token * width;

    var delta = 0.0;
    for (var d = 0u; d < quads; d++) {
        delta += dot(unpack(upstream[g + d]), unpack(output[g + d]));
    }
    let own_sums = vec4f(log_sum[head_sums + token]);
    for (var first = 0u; first < tokens; first += TILE) {
        // The two keys of the tile that this lane reads.
        let k0 = head + min(first + lane, tokens - 1u) * stride + width;
        let k1 = head + min(first + 8u + lane, tokens - 1u) * stride + width;
        var s0 = vec4f();
        var s1 = vec4f();
        var s2 = vec4f();
        var s3 = vec4f();
        var p0 = vec4f();
        var p1 = vec4f();
        var p2 = vec4f();
        var p3 = vec4f();
        for (var d = 0u; d < quads; d++) {
            let left = unpack(qkv[q + d]);
            let above = unpack(upstream[g + d]);
            let key0 = unpack(qkv[k0 + d]);
            let key1 = unpack(qkv[k1 + d]);
            let value0 = unpack(qkv[k0 + width + d]);
            let value1 = unpack(qkv[k1 + width + d]);
            s0 += left * lower(key0);
            s1 += left * upper(key0);
            s2 += left * lower(key1);
            s3 += left * upper(key1);
            p0 += above * lower(value0);
            p1 += above * upper(value0);
            p2 += above * lower(value1);
            p3 += above * upper(value1);
        }
        let d0 = gradients(weights(first, s0, own_sums), p0, vec4f(delta));
        let d1 = gradients(weights(first + 4u, s1, own_sums), p1, vec4f(delta));
        let d2 = gradients(weights(first + 8u, s2, own_sums), p2, vec4f(delta));
        let d3 = gradients(weights(first + 12u, s3, own_sums), p3, vec4f(delta));
        for (var d = 0u; d < quads; d++) {
            let key0 = unpack(qkv[k0 + d]);
            let key1 = unpack(qkv[k1 + d]);
            var sum = lower(key0) * d0 + upper(key0) * d1 + lower(key1) * d2 + upper(key1) * d3;
            if own < tokens {
                if first > 0u {
                    sum += unpack(out[q + d]);
                }
                out[q + d] = pack(sum);
            }
        }
    }

    for (var first = 0u; first < tokens; first += TILE) {
        // The two queries of the tile that this lane reads, and for which it sums up δ.
        let t0 = min(first + lane, tokens - 1u);
        let t1 = min(first + 8u + lane, tokens - 1u);
        let q0 = head + t0 * stride;
        let q1 = head + t1 * stride;
        let g0 = head_out + t0 * width;
        let g1 = head_out + t1 * width;
        let sum0 = log_sum[head_sums + t0];
        let sum1 = log_sum[head_sums + t1];
        var delta0 = 0.0;
        var delta1 = 0.0;
        var s0 = vec4f();
        var s1 = vec4f();
        var s2 = vec4f();
        var s3 = vec4f();
        var p0 = vec4f();
        var p1 = vec4f();
        var p2 = vec4f();
        var p3 = vec4f();
        for (var d = 0u; d < quads; d++) {
            let key = unpack(qkv[k + d]);
            let value = unpack(qkv[v + d]);
            let query0 = unpack(qkv[q0 + d]);
            let query1 = unpack(qkv[q1 + d]);
            let above0 = unpack(upstream[g0 + d]);
            let above1 = unpack(upstream[g1 + d]);
            delta0 += dot(above0, unpack(output[g0 + d]));
            delta1 += dot(above1, unpack(output[g1 + d]));
            s0 += key * lower(query0);
            s1 += key * upper(query0);
            s2 += key * lower(query1);
            s3 += key * upper(query1);
            p0 += value * lower(above0);
            p1 += value * upper(above0);
            p2 += value * lower(above1);
            p3 += value * upper(above1);
        }
        let w0 = weights(first, s0, lower_scalars(sum0));
        let w1 = weights(first + 4u, s1, upper_scalars(sum0));
        let w2 = weights(first + 8u, s2, lower_scalars(sum1));
        let w3 = weights(first + 12u, s3, upper_scalars(sum1));
        let d0 = gradients(w0, p0, lower_scalars(delta0));
        let d1 = gradients(w1, p1, upper_scalars(delta0));
        let d2 = gradients(w2, p2, lower_scalars(delta1));
        let d3 = gradients(w3, p3, upper_scalars(delta1));
        for (var d = 0u; d < quads; d++) {
            let query0 = unpack(qkv[q0 + d]);
            let query1 = unpack(qkv[q1 + d]);
            let above0 = unpack(upstream[g0 + d]);
            let above1 = unpack(upstream[g1 + d]);
            var sum_k = lower(query0) * d0 + upper(query0) * d1 + lower(query1) * d2 + upper(query1) * d3;
            var sum_v = lower(above0) * w0 + upper(above0) * w1 + lower(above1) * w2 + upper(above1) * w3;
            if own < tokens {
                if first > 0u {
                    sum_k += unpack(out[k + d]);
                    sum_v += unpack(out[v + d]);
                }
                out[k + d] = pack(sum_k);
                out[v + d] = pack(sum_v);
            }
        }
    }
}
