// Softmax attention of every head, for adapters that run on a CPU and have subgroups of 8 or more: same contract
// and bindings as attention.wgsl, but no workgroup memory, no barriers, and no limit to the tokens.
// head_dim is a multiple of 4.
//
// Tiling: an invocation has one query, and goes through the keys sixteen at a time with the online softmax of
// FlashAttention (2205.14135, section 3.1). The lanes of a subgroup read keys and values for each other. What a
// query has summed up so far waits in `out`.
// Launch: (ceil(tokens / 8), heads, batch) workgroups of 8.

import package::shared::subgroup::{lower, upper};

struct Parameters {
    tokens: u32,
    heads: u32,
    head_dim: u32,
}

const KEYS = 16u;
// Below every score.
const LOWEST = -3.4e38;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> log_sum: array<f32>;

// Which of the keys `first` to `first + 3` there are.
fn within(first: u32) -> vec4<bool> {
    return vec4u(first, first + 1u, first + 2u, first + 3u) < vec4u(parameters.tokens);
}

// The scores of these keys, or LOWEST beyond the last key.
fn masked(first: u32, scores: vec4f) -> vec4f {
    return select(vec4f(LOWEST), scores, within(first));
}

// Their weights, or 0 beyond the last key, even where no score is above LOWEST.
fn weights(first: u32, scores: vec4f, highest: f32) -> vec4f {
    return select(vec4f(), exp(scores - highest), within(first));
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
    let scale = inverseSqrt(f32(parameters.head_dim));
    // Lanes beyond the last query stay, for what they read of the keys; they repeat the last, and store nothing.
    let own = group.x * 8u + index;
    let query = min(own, tokens - 1u);
    let q = head + query * stride;
    let o = (group.z * tokens + query) * width + group.y * quads;

    var highest = LOWEST;
    var sum = 0.0;
    for (var first = 0u; first < tokens; first += KEYS) {
        // The two keys of the tile that this lane reads.
        let k0 = head + min(first + lane, tokens - 1u) * stride + width;
        let k1 = head + min(first + 8u + lane, tokens - 1u) * stride + width;
        var s0 = vec4f();
        var s1 = vec4f();
        var s2 = vec4f();
        var s3 = vec4f();
        for (var d = 0u; d < quads; d++) {
            let left = qkv[q + d];
            let a = qkv[k0 + d];
            let b = qkv[k1 + d];
            s0 += left * lower(a);
            s1 += left * upper(a);
            s2 += left * lower(b);
            s3 += left * upper(b);
        }
        s0 = masked(first, s0 * scale);
        s1 = masked(first + 4u, s1 * scale);
        s2 = masked(first + 8u, s2 * scale);
        s3 = masked(first + 12u, s3 * scale);
        let four = max(max(s0, s1), max(s2, s3));
        let next = max(highest, max(max(four.x, four.y), max(four.z, four.w)));
        let correction = exp(highest - next);
        highest = next;
        s0 = weights(first, s0, next);
        s1 = weights(first + 4u, s1, next);
        s2 = weights(first + 8u, s2, next);
        s3 = weights(first + 12u, s3, next);
        sum = sum * correction + dot(s0 + s1 + s2 + s3, vec4f(1.0));
        let divisor = select(1.0, sum, first + KEYS >= tokens);
        let v0 = k0 + width;
        let v1 = k1 + width;
        for (var d = 0u; d < quads; d++) {
            let a = qkv[v0 + d];
            let b = qkv[v1 + d];
            var value = lower(a) * s0 + upper(a) * s1 + lower(b) * s2 + upper(b) * s3;
            if own < tokens {
                if first > 0u {
                    value += out[o + d] * correction;
                }
                out[o + d] = value / divisor;
            }
        }
    }
    if own < tokens {
        log_sum[(group.z * parameters.heads + group.y) * tokens + own] = highest + log(sum);
    }
}
