// Softmax attention of every head, read straight from the fused qkv:
// out = softmax(q · kᵀ / √head_dim) · v, as FlashAttention-2 (2307.08691, section 3.1) has it: scores never leave the
// workgroup, the highest of a query's scores and the sum of its weights are kept while the keys go by, and what was made
// of earlier keys is scaled where a higher score comes.
//
// Bindings
//   qkv      (batch · tokens, 3 · heads · head_dim): columns [q | k | v], each [head][dim]; as vec4
//   out      (batch · tokens, heads · head_dim); as vec4
//   log_sum  (batch, heads, tokens): log Σ exp of a query's scaled scores, for the backward pass
// head_dim is a multiple of 4.
//
// Tiling: a workgroup of 8 × 8 takes 32 queries of one head, and 32 keys at a time; an invocation 4 × 4 of their scores,
// of queries y, y + 8, ... and keys x, x + 8, ..., and 4 queries × one vec4 of columns of out, or two where BOTH: columns
// x and x + 8 of the 16 vec4s that a workgroup makes. A head of more is shared among workgroups. Tiles of q and k lie in
// workgroup memory 8 vec4s of a head at a time (8 KiB), and then those of v; so do the weights of the scores (4 KiB).
// Launch: (ceil(tokens / 32) · ceil(head_dim / 64), heads, batch) workgroups.

import package::shared::attention::{CHUNK, TILE, add_products, place};

struct Parameters {
    tokens: u32,
    heads: u32,
    head_dim: u32,
}

// Whether a head has more than 8 vec4s.
override BOTH: bool = true;

// Below every score, and finite.
const LOWEST: f32 = -3.4e38;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> log_sum: array<f32>;

// Queries, then keys; or values, vec4s x and then x + 8: see `place`.
var<workgroup> staged: array<vec4f, 512>;
// The weights of keys x, x + 8, x + 16 and x + 24 as a vec4: see `place`.
var<workgroup> weights: array<vec4f, 256>;
// A number for each query and x.
var<workgroup> shares: array<f32, 256>;

// Brings vec4s `start` .. `start` + 7 of 32 tokens from `first` on to `staged`; what a head has no more of is not used.
// Tokens beyond the last are zeros, or else the last.
fn stage(lane: u32, to: u32, head: u32, first: u32, start: u32, zeros: bool) {
    let quads = parameters.head_dim / 4u;
    let stride = 3u * parameters.heads * quads;
    let last = parameters.tokens - 1u;
    let d = lane % CHUNK;
    let tokens = vec4u(first + lane / CHUNK) + vec4u(0u, 8u, 16u, 24u);
    let i = head + min(tokens, vec4u(last)) * stride + min(start + d, quads - 1u);
    // All are read before any is stored, so that the memory is waited for once.
    let values = mat4x4f(qkv[i.x], qkv[i.y], qkv[i.z], qkv[i.w]);
    let none = vec4<bool>(zeros) & (tokens > vec4u(last));
    let own = to + place(d, lane / CHUNK);
    staged[own] = select(values[0], vec4f(), none.x);
    staged[own + 8u] = select(values[1], vec4f(), none.y);
    staged[own + 16u] = select(values[2], vec4f(), none.z);
    staged[own + 24u] = select(values[3], vec4f(), none.w);
}

// What lies at `i` in `staged` and 8, 16 and 24 further: of a tile, vec4s of rows that are 8 apart.
fn staged_at(i: u32) -> mat4x4f {
    return mat4x4f(staged[i], staged[i + 8u], staged[i + 16u], staged[i + 24u]);
}

// What the eight invocations of a query put into `shares`.
fn shares_of(query: u32) -> array<f32, 8> {
    let i = query * 8u;
    return array<f32, 8>(
        shares[i], shares[i + 1u], shares[i + 2u], shares[i + 3u],
        shares[i + 4u], shares[i + 5u], shares[i + 6u], shares[i + 7u],
    );
}

fn highest_of(query: u32) -> f32 {
    let s = shares_of(query);
    return max(max(max(s[0], s[1]), max(s[2], s[3])), max(max(s[4], s[5]), max(s[6], s[7])));
}

fn sum_of(query: u32) -> f32 {
    let s = shares_of(query);
    return ((s[0] + s[1]) + (s[2] + s[3])) + ((s[4] + s[5]) + (s[6] + s[7]));
}

fn share(local: vec3u, values: vec4f) {
    let i = local.y * 8u + local.x;
    shares[i] = values.x;
    shares[i + 64u] = values.y;
    shares[i + 128u] = values.z;
    shares[i + 192u] = values.w;
}

fn highest(values: vec4f) -> f32 {
    return max(max(values.x, values.y), max(values.z, values.w));
}

// The weights of a query's keys; none for those beyond the last, whose scores are the last one's.
fn weigh(scores: vec4f, highest: f32, valid: vec4<bool>) -> vec4f {
    return select(vec4f(), exp(scores - highest), valid);
}

fn store(query: u32, i: u32, d: u32, value: vec4f) {
    if query < parameters.tokens && d < parameters.head_dim / 4u {
        out[i + d] = value;
    }
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let tokens = parameters.tokens;
    let quads = parameters.head_dim / 4u;
    let width = parameters.heads * quads;
    let tiles = (tokens + TILE - 1u) / TILE;
    let first_query = group.x % tiles * TILE;
    // The first vec4 of this workgroup's columns of out.
    let part = group.x / tiles * 2u * CHUNK;
    // The vec4 of q for token 0 of this head; those of k and v lie one and two widths further.
    let head = group.z * tokens * 3u * width + group.y * quads;
    let scale = inverseSqrt(f32(parameters.head_dim));

    var highest_yet = vec4f(LOWEST);
    // Of this invocation's keys alone.
    var sums = vec4f();
    var left = mat4x4f();
    var right = mat4x4f();
    for (var first_key = 0u; first_key < tokens; first_key += TILE) {
        var scores = mat4x4f();
        for (var start = 0u; start < quads; start += CHUNK) {
            workgroupBarrier();
            stage(lane, 0u, head, first_query, start, false);
            stage(lane, TILE * CHUNK, head + width, first_key, start, false);
            workgroupBarrier();
            for (var d = 0u; d < min(CHUNK, quads - start); d++) {
                let keys = staged_at(TILE * CHUNK + place(d, local.x));
                scores = add_products(scores, staged_at(place(d, local.y)), transpose(keys));
            }
        }
        let key = first_key + local.x;
        let valid = vec4u(key, key + 8u, key + 16u, key + 24u) < vec4u(tokens);
        scores = scores * scale;
        share(local, vec4f(highest(scores[0]), highest(scores[1]), highest(scores[2]), highest(scores[3])));
        workgroupBarrier();
        let highest_here = vec4f(
            highest_of(local.y), highest_of(local.y + 8u), highest_of(local.y + 16u), highest_of(local.y + 24u),
        );
        let highest_now = max(highest_yet, highest_here);
        let kept = exp(highest_yet - highest_now);
        highest_yet = highest_now;
        let w0 = weigh(scores[0], highest_now.x, valid);
        let w1 = weigh(scores[1], highest_now.y, valid);
        let w2 = weigh(scores[2], highest_now.z, valid);
        let w3 = weigh(scores[3], highest_now.w, valid);
        let one = vec4f(1.0);
        sums = sums * kept + vec4f(dot(w0, one), dot(w1, one), dot(w2, one), dot(w3, one));
        let own = place(local.x, local.y);
        weights[own] = w0;
        weights[own + 8u] = w1;
        weights[own + 16u] = w2;
        weights[own + 24u] = w3;
        // All are done with the queries and keys.
        stage(lane, 0u, head + 2u * width, first_key, part, true);
        if BOTH {
            stage(lane, TILE * CHUNK, head + 2u * width, first_key, part + CHUNK, true);
        }
        workgroupBarrier();
        left = mat4x4f(left[0] * kept.x, left[1] * kept.y, left[2] * kept.z, left[3] * kept.w);
        right = mat4x4f(right[0] * kept.x, right[1] * kept.y, right[2] * kept.z, right[3] * kept.w);
        for (var x = 0u; x < 8u; x++) {
            let row = place(x, local.y);
            let rows = mat4x4f(weights[row], weights[row + 8u], weights[row + 16u], weights[row + 24u]);
            left = add_products(left, rows, staged_at(place(local.x, x)));
            if BOTH {
                right = add_products(right, rows, staged_at(TILE * CHUNK + place(local.x, x)));
            }
        }
    }
    // All have read the shares of the last keys.
    share(local, sums);
    workgroupBarrier();
    for (var i = 0u; i < 4u; i++) {
        let query = first_query + local.y + 8u * i;
        let sum = sum_of(local.y + 8u * i);
        let row = (group.z * tokens + query) * width + group.y * quads;
        store(query, row, part + local.x, left[i] / sum);
        if BOTH {
            store(query, row, part + CHUNK + local.x, right[i] / sum);
        }
        if local.x == 0u && part == 0u && query < tokens {
            // Where every score is -∞ there is no weight, and no number; not every driver has -∞ for the logarithm of 0.
            log_sum[(group.z * parameters.heads + group.y) * tokens + query] = highest_yet[i] + log(sum) * (sum / sum);
        }
    }
}
