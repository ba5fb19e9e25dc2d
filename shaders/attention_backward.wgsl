// The gradient of attention at q, k and v (as in FlashAttention-2, 2307.08691, section 3.1): the
// weights P are recomputed from log_sum; with dP = upstream · vᵀ and δ = Σ upstream · output,
//   dS = P ∘ (dP − δ) / √head_dim,   dq = dS · k,   dk = dSᵀ · q,   dv = Pᵀ · upstream.
//
// Bindings
//   qkv       (batch · tokens, 3 · heads · head_dim), as attention.wgsl; vec4
//   output    (batch · tokens, heads · head_dim): what attention returned; vec4
//   log_sum   (batch, heads, tokens)
//   upstream  (batch · tokens, heads · head_dim); vec4
//   out       (batch · tokens, 3 · heads · head_dim): d qkv; vec4
//
// Tiling: a workgroup of 64 takes ROWS tokens of one head, first as queries against all keys, then
// as keys against all queries; P and dS, ROWS × TOKENS each, stay in workgroup memory.
// Launch: (ceil(tokens / ROWS), heads, batch) workgroups.

struct Parameters {
    tokens: u32,
    heads: u32,
    head_dim: u32,
}

override ROWS: u32 = 16u;
override TOKENS: u32 = 49u;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(2) var<storage, read> output: array<vec4f>;
@group(0) @binding(3) var<storage, read> log_sum: array<f32>;
@group(0) @binding(4) var<storage, read> upstream: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;

var<workgroup> weights: array<f32, ROWS * TOKENS>;
var<workgroup> gradients: array<f32, ROWS * TOKENS>;
var<workgroup> deltas: array<f32, TOKENS>;

// Where a head's rows start, in vec4s.
struct Head {
    q: u32,
    k: u32,
    v: u32,
    stride: u32,
    out: u32,
    out_stride: u32,
    quads: u32,
    log_sum: u32,
}

// P and dS of one pair of tokens.
fn pair(head: Head, query: u32, key: u32) -> vec2f {
    let q = head.q + query * head.stride;
    let k = head.k + key * head.stride;
    let v = head.v + key * head.stride;
    let g = head.out + query * head.out_stride;
    var score = 0.0;
    var product = 0.0;
    for (var d = 0u; d < head.quads; d++) {
        score += dot(qkv[q + d], qkv[k + d]);
        product += dot(upstream[g + d], qkv[v + d]);
    }
    let scale = inverseSqrt(f32(parameters.head_dim));
    let weight = exp(score * scale - log_sum[head.log_sum + query]);
    return vec2f(weight, weight * (product - deltas[query]) * scale);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tokens = parameters.tokens;
    let quads = parameters.head_dim / 4u;
    let width = parameters.heads * quads;
    let first = group.x * ROWS;
    let rows = min(ROWS, tokens - first);
    var head: Head;
    head.stride = 3u * width;
    head.out_stride = width;
    head.quads = quads;
    head.q = group.z * tokens * head.stride + group.y * quads;
    head.k = head.q + width;
    head.v = head.k + width;
    head.out = group.z * tokens * width + group.y * quads;
    head.log_sum = (group.z * parameters.heads + group.y) * tokens;

    for (var token = lane; token < tokens; token += 64u) {
        var sum = 0.0;
        for (var d = 0u; d < quads; d++) {
            let i = head.out + token * width + d;
            sum += dot(upstream[i], output[i]);
        }
        deltas[token] = sum;
    }
    workgroupBarrier();

    for (var i = lane; i < rows * tokens; i += 64u) {
        gradients[i] = pair(head, first + i / tokens, i % tokens).y;
    }
    workgroupBarrier();
    for (var i = lane; i < rows * quads; i += 64u) {
        let row = i / quads;
        let d = i % quads;
        var sum = vec4f();
        for (var key = 0u; key < tokens; key++) {
            sum += gradients[row * tokens + key] * qkv[head.k + key * head.stride + d];
        }
        out[head.q + (first + row) * head.stride + d] = sum;
    }
    workgroupBarrier();

    for (var i = lane; i < rows * tokens; i += 64u) {
        let both = pair(head, i % tokens, first + i / tokens);
        weights[i] = both.x;
        gradients[i] = both.y;
    }
    workgroupBarrier();
    for (var i = lane; i < rows * quads; i += 64u) {
        let row = i / quads;
        let d = i % quads;
        var sum_k = vec4f();
        var sum_v = vec4f();
        for (var query = 0u; query < tokens; query++) {
            sum_k += gradients[row * tokens + query] * qkv[head.q + query * head.stride + d];
            sum_v += weights[row * tokens + query] * upstream[head.out + query * width + d];
        }
        out[head.k + (first + row) * head.stride + d] = sum_k;
        out[head.v + (first + row) * head.stride + d] = sum_v;
    }
}
