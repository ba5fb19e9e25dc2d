// Softmax attention of every head, read straight from the fused qkv:
// out = softmax(q · kᵀ / √head_dim) · v.
//
// Bindings
//   qkv      (batch · tokens, 3 · heads · head_dim): columns [q | k | v], each [head][dim]; as vec4
//   out      (batch · tokens, heads · head_dim); as vec4
//   log_sum  (batch, heads, tokens): log Σ exp of a query's scaled scores, for the backward pass
// head_dim is a multiple of 4.
//
// Tiling: a workgroup of 64 takes ROWS queries of one head; their scores against all keys, ROWS × TOKENS,
// stay in workgroup memory between the two products.
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
@group(0) @binding(2) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> log_sum: array<f32>;

var<workgroup> scores: array<f32, ROWS * TOKENS>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) lane: u32) {
    let tokens = parameters.tokens;
    let quads = parameters.head_dim / 4u;
    let width = parameters.heads * quads;
    let first = group.x * ROWS;
    let rows = min(ROWS, tokens - first);
    let item = group.z * tokens;
    // The vec4 of q for token 0 of this head; those of k and v lie one and two widths further.
    let head = item * 3u * width + group.y * quads;
    let scale = inverseSqrt(f32(parameters.head_dim));

    for (var i = lane; i < rows * tokens; i += 64u) {
        let q = head + (first + i / tokens) * 3u * width;
        let k = head + (i % tokens) * 3u * width + width;
        var sum = 0.0;
        for (var d = 0u; d < quads; d++) {
            sum += dot(qkv[q + d], qkv[k + d]);
        }
        scores[i] = sum * scale;
    }
    workgroupBarrier();
    for (var row = lane; row < rows; row += 64u) {
        let start = row * tokens;
        var highest = scores[start];
        for (var i = 1u; i < tokens; i++) {
            highest = max(highest, scores[start + i]);
        }
        var sum = 0.0;
        for (var i = 0u; i < tokens; i++) {
            let weight = exp(scores[start + i] - highest);
            scores[start + i] = weight;
            sum += weight;
        }
        for (var i = 0u; i < tokens; i++) {
            scores[start + i] /= sum;
        }
        log_sum[(group.z * parameters.heads + group.y) * tokens + first + row] = highest + log(sum);
    }
    workgroupBarrier();
    for (var i = lane; i < rows * quads; i += 64u) {
        let row = i / quads;
        let d = i % quads;
        var sum = vec4f();
        for (var token = 0u; token < tokens; token++) {
            sum += scores[row * tokens + token] * qkv[head + token * 3u * width + 2u * width + d];
        }
        out[(item + first + row) * width + group.y * quads + d] = sum;
    }
}
