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
// Tiling: a workgroup of 8 × 8 takes 32 tokens of one head, its rows, as queries, for dq, or as keys, for dk and dv. The
// tokens on the other side, its columns, go by 32 at a time. An invocation makes 4 × 4 of P and dS, of rows y, y + 8, ...
// and columns x, x + 8, ..., and of the gradients 4 rows × one vec4, or two where BOTH: x and x + 8 of the 16 vec4s that
// a workgroup makes. A head of more is shared among workgroups. In workgroup memory lie two tiles, 8 vec4s of a head at a
// time (8 KiB), and P or dS (4 KiB).
// Launch: (2 · ceil(tokens / 32) · ceil(head_dim / 64), heads, batch) workgroups, those with queries first.

import package::shared::attention::{CHUNK, TILE, add_products, place};

struct Parameters {
    tokens: u32,
    heads: u32,
    head_dim: u32,
}

// Whether a head has more than 8 vec4s.
override BOTH: bool = true;

// What tiles are made of.
const Q: u32 = 0u;
const K: u32 = 1u;
const V: u32 = 2u;
const UPSTREAM: u32 = 3u;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> qkv: array<vec4f>;
@group(0) @binding(2) var<storage, read> output: array<vec4f>;
@group(0) @binding(3) var<storage, read> log_sum: array<f32>;
@group(0) @binding(4) var<storage, read> upstream: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> out: array<vec4f>;

// Two tiles: see `place`.
var<workgroup> staged: array<vec4f, 512>;
// P or dS, of columns x, x + 8, x + 16 and x + 24 as a vec4: see `place`.
var<workgroup> pairs: array<vec4f, 256>;
// Parts of δ, a number for each query and eighth of its vec4s.
var<workgroup> parts: array<f32, 256>;

// Vec4 d of four tokens of this workgroup's head, zeros beyond the last token; what a head has no more of is not used.
fn load(group: vec3u, source: u32, tokens: vec4u, d: u32) -> mat4x4f {
    let quads = parameters.head_dim / 4u;
    let width = parameters.heads * quads;
    let rows = group.z * parameters.tokens + min(tokens, vec4u(parameters.tokens - 1u));
    let column = group.y * quads + min(d, quads - 1u);
    var values: mat4x4f;
    if source == UPSTREAM {
        let i = rows * width + column;
        values = mat4x4f(upstream[i.x], upstream[i.y], upstream[i.z], upstream[i.w]);
    } else {
        let i = (rows * 3u + source) * width + column;
        values = mat4x4f(qkv[i.x], qkv[i.y], qkv[i.z], qkv[i.w]);
    }
    let valid = tokens < vec4u(parameters.tokens);
    return mat4x4f(
        select(vec4f(), values[0], valid.x),
        select(vec4f(), values[1], valid.y),
        select(vec4f(), values[2], valid.z),
        select(vec4f(), values[3], valid.w),
    );
}

// Brings vec4s `start` .. `start` + 7 of 32 tokens from `first` on to `staged`. All are read before any is stored, so that the
// memory is waited for once.
fn stage(group: vec3u, lane: u32, to: u32, source: u32, first: u32, start: u32) {
    let d = lane % CHUNK;
    let values = load(group, source, vec4u(first + lane / CHUNK) + vec4u(0u, 8u, 16u, 24u), start + d);
    let own = to + place(d, lane / CHUNK);
    staged[own] = values[0];
    staged[own + 8u] = values[1];
    staged[own + 16u] = values[2];
    staged[own + 24u] = values[3];
}

// The dot products of 4 rows with 4 columns, a column for each row.
fn products(group: vec3u, local: vec3u, rows: vec2u, columns: vec2u) -> mat4x4f {
    let lane = local.y * 8u + local.x;
    let quads = parameters.head_dim / 4u;
    var sums = mat4x4f();
    for (var start = 0u; start < quads; start += CHUNK) {
        workgroupBarrier();
        stage(group, lane, 0u, rows.x, rows.y, start);
        stage(group, lane, TILE * CHUNK, columns.x, columns.y, start);
        workgroupBarrier();
        for (var d = 0u; d < min(CHUNK, quads - start); d++) {
            let others = staged_at(TILE * CHUNK + place(d, local.x));
            sums = add_products(sums, staged_at(place(d, local.y)), transpose(others));
        }
    }
    return sums;
}

// What lies at `i` in `staged` and 8, 16 and 24 further: of a tile, vec4s of rows that are 8 apart.
fn staged_at(i: u32) -> mat4x4f {
    return mat4x4f(staged[i], staged[i + 8u], staged[i + 16u], staged[i + 24u]);
}

// sums + `pairs` · a tile
fn add_tile(sums: mat4x4f, local: vec3u, tile: u32) -> mat4x4f {
    var result = sums;
    for (var x = 0u; x < 8u; x++) {
        let row = place(x, local.y);
        let rows = mat4x4f(pairs[row], pairs[row + 8u], pairs[row + 16u], pairs[row + 24u]);
        result = add_products(result, rows, staged_at(tile + place(local.x, x)));
    }
    return result;
}

fn keep_pairs(local: vec3u, values: mat4x4f) {
    let own = place(local.x, local.y);
    pairs[own] = values[0];
    pairs[own + 8u] = values[1];
    pairs[own + 16u] = values[2];
    pairs[own + 24u] = values[3];
}

// Puts the parts of δ of 32 queries from `first` on into `parts`.
fn share_deltas(group: vec3u, local: vec3u, first: u32) {
    let tokens = parameters.tokens;
    let quads = parameters.head_dim / 4u;
    for (var query = local.y; query < TILE; query += 8u) {
        var sum = 0.0;
        for (var d = local.x; d < quads; d += 8u) {
            let row = group.z * tokens + min(first + query, tokens - 1u);
            let i = (row * parameters.heads + group.y) * quads + d;
            sum += dot(upstream[i], output[i]);
        }
        parts[query * 8u + local.x] = sum;
    }
}

fn delta(query: u32) -> f32 {
    let i = query * 8u;
    return ((parts[i] + parts[i + 1u]) + (parts[i + 2u] + parts[i + 3u]))
        + ((parts[i + 4u] + parts[i + 5u]) + (parts[i + 6u] + parts[i + 7u]));
}

// δ of queries i, i + 8, i + 16 and i + 24 of those that `parts` is of.
fn deltas_of(i: u32) -> vec4f {
    return vec4f(delta(i), delta(i + 8u), delta(i + 16u), delta(i + 24u));
}

// log Σ exp of queries `query`, `query` + 8, `query` + 16 and `query` + 24; those beyond the last are read as the last.
fn log_sums_of(group: vec3u, query: u32) -> vec4f {
    let first = (group.z * parameters.heads + group.y) * parameters.tokens;
    let last = parameters.tokens - 1u;
    return vec4f(
        log_sum[first + min(query, last)],
        log_sum[first + min(query + 8u, last)],
        log_sum[first + min(query + 16u, last)],
        log_sum[first + min(query + 24u, last)],
    );
}

// For each row its own of `rows`, or, of keys, all of `columns`.
fn for_rows(rows: vec4f, columns: vec4f, of_keys: bool) -> mat4x4f {
    return mat4x4f(
        select(vec4f(rows.x), columns, of_keys),
        select(vec4f(rows.y), columns, of_keys),
        select(vec4f(rows.z), columns, of_keys),
        select(vec4f(rows.w), columns, of_keys),
    );
}

fn store(group: vec3u, source: u32, token: u32, d: u32, gradients: mat4x4f) {
    let quads = parameters.head_dim / 4u;
    let width = parameters.heads * quads;
    for (var i = 0u; i < 4u; i++) {
        let row = token + 8u * i;
        if row < parameters.tokens && d < quads {
            out[((group.z * parameters.tokens + row) * 3u + source) * width + group.y * quads + d] = gradients[i];
        }
    }
}

@compute @workgroup_size(8, 8)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let tokens = parameters.tokens;
    let tiles = (tokens + TILE - 1u) / TILE;
    let of_keys = group.x >= groups.x / 2u;
    let index = group.x % (groups.x / 2u);
    let first_row = index % tiles * TILE;
    // The first vec4 of this workgroup's columns of the gradients.
    let part = index / tiles * 2u * CHUNK;
    let scale = inverseSqrt(f32(parameters.head_dim));
    // Rows · columns of these make the scores, dP, and then dk (or dq).
    let rows = select(Q, K, of_keys);
    let columns = select(K, Q, of_keys);

    var row_deltas = vec4f();
    var row_log_sums = vec4f();
    if !of_keys {
        share_deltas(group, local, first_row);
        workgroupBarrier();
        row_deltas = deltas_of(local.y);
        row_log_sums = log_sums_of(group, first_row + local.y);
    }
    var left = mat4x4f();
    var right = mat4x4f();
    var left_of_values = mat4x4f();
    var right_of_values = mat4x4f();
    for (var first = 0u; first < tokens; first += TILE) {
        if of_keys {
            share_deltas(group, local, first);
        }
        let scores = products(group, local, vec2u(rows, first_row), vec2u(columns, first));
        let slopes = products(
            group, local, vec2u(select(UPSTREAM, V, of_keys), first_row), vec2u(select(V, UPSTREAM, of_keys), first),
        );
        let column = first + local.x;
        let valid = vec4u(column, column + 8u, column + 16u, column + 24u) < vec4u(tokens);
        var column_deltas = vec4f();
        var column_log_sums = vec4f();
        if of_keys {
            column_deltas = deltas_of(local.x);
            column_log_sums = log_sums_of(group, column);
        }
        let log_sums = for_rows(row_log_sums, column_log_sums, of_keys);
        let weights = mat4x4f(
            select(vec4f(), exp(scores[0] * scale - log_sums[0]), valid),
            select(vec4f(), exp(scores[1] * scale - log_sums[1]), valid),
            select(vec4f(), exp(scores[2] * scale - log_sums[2]), valid),
            select(vec4f(), exp(scores[3] * scale - log_sums[3]), valid),
        );
        let deltas = for_rows(row_deltas, column_deltas, of_keys);
        let gradients = mat4x4f(
            select(vec4f(), weights[0] * (slopes[0] - deltas[0]) * scale, valid),
            select(vec4f(), weights[1] * (slopes[1] - deltas[1]) * scale, valid),
            select(vec4f(), weights[2] * (slopes[2] - deltas[2]) * scale, valid),
            select(vec4f(), weights[3] * (slopes[3] - deltas[3]) * scale, valid),
        );
        if of_keys {
            keep_pairs(local, weights);
            workgroupBarrier();
            stage(group, lane, 0u, UPSTREAM, first, part);
            if BOTH {
                stage(group, lane, TILE * CHUNK, UPSTREAM, first, part + CHUNK);
            }
            workgroupBarrier();
            left_of_values = add_tile(left_of_values, local, 0u);
            if BOTH {
                right_of_values = add_tile(right_of_values, local, TILE * CHUNK);
            }
        }
        workgroupBarrier();
        keep_pairs(local, gradients);
        stage(group, lane, 0u, columns, first, part);
        if BOTH {
            stage(group, lane, TILE * CHUNK, columns, first, part + CHUNK);
        }
        workgroupBarrier();
        left = add_tile(left, local, 0u);
        if BOTH {
            right = add_tile(right, local, TILE * CHUNK);
        }
    }
    let row = first_row + local.y;
    store(group, rows, row, part + local.x, left);
    if BOTH {
        store(group, rows, row, part + CHUNK + local.x, right);
    }
    if of_keys {
        store(group, V, row, part + local.x, left_of_values);
        if BOTH {
            store(group, V, row, part + CHUNK + local.x, right_of_values);
        }
    }
}
