// Softmax attention of every head, for adapters that run on a CPU and have subgroups of 8 or more and integers of 64 bits:
// same contract and bindings as attention.wgsl, with a vec4 as two pairs of floats (shared/pairs.wgsl), but no workgroup
// memory and no barriers.
// head_dim is a multiple of 4.
//
// Tiling: an invocation has four queries, and goes through the keys 8 · EIGHTS at a time with the online softmax of
// FlashAttention (2205.14135, section 3.1). Loads are what costs time there: so the lanes of a subgroup read keys and
// values for each other, and a tile's scores are variables of their own, because arrays would be loaded too. What a
// query has summed up so far waits in `out`.
// Launch: (ceil(tokens / 32), heads, batch) workgroups of 8.

import package::shared::pairs::{pack, unpack};
import package::shared::subgroup::{lower, upper};

struct Parameters {
    tokens: u32,
    heads: u32,
    head_dim: u32,
}

// Eights of keys in a tile, from 1 to 8.
override EIGHTS: u32 = 7u;

// Below every score.
const LOWEST = -3.4e38;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> qkv: array<vec2<u64>>;
@group(0) @binding(2) var<storage, read_write> out: array<vec2<u64>>;
@group(0) @binding(3) var<storage, read_write> log_sum: array<f32>;

// A vec4 of each of the eight keys, or values, that this lane reads of a tile.
struct Rows {
    r0: vec4f,
    r1: vec4f,
    r2: vec4f,
    r3: vec4f,
    r4: vec4f,
    r5: vec4f,
    r6: vec4f,
    r7: vec4f,
}

// Scores of one query, or their weights: a number for each key of a tile, an eight a matrix.
struct Tile {
    t0: mat2x4f,
    t1: mat2x4f,
    t2: mat2x4f,
    t3: mat2x4f,
    t4: mat2x4f,
    t5: mat2x4f,
    t6: mat2x4f,
    t7: mat2x4f,
}

// The lane's row of one eight: every eighth row, `column` in it. Rows beyond the last are read as the last.
fn row(eight: u32, first: u32, stride: u32, column: u32) -> vec4f {
    if eight >= EIGHTS {
        return vec4f();
    }
    return unpack(qkv[min(first + 8u * eight, parameters.tokens - 1u) * stride + column]);
}

fn rows(first: u32, stride: u32, column: u32) -> Rows {
    return Rows(
        row(0u, first, stride, column),
        row(1u, first, stride, column),
        row(2u, first, stride, column),
        row(3u, first, stride, column),
        row(4u, first, stride, column),
        row(5u, first, stride, column),
        row(6u, first, stride, column),
        row(7u, first, stride, column),
    );
}

// What four dimensions of a query add to its scores against eight keys.
fn products(eight: u32, scores: mat2x4f, query: vec4f, key: vec4f) -> mat2x4f {
    if eight >= EIGHTS {
        return scores;
    }
    return scores + mat2x4f(query * lower(key), query * upper(key));
}

fn add_products(scores: Tile, query: vec4f, keys: Rows) -> Tile {
    return Tile(
        products(0u, scores.t0, query, keys.r0),
        products(1u, scores.t1, query, keys.r1),
        products(2u, scores.t2, query, keys.r2),
        products(3u, scores.t3, query, keys.r3),
        products(4u, scores.t4, query, keys.r4),
        products(5u, scores.t5, query, keys.r5),
        products(6u, scores.t6, query, keys.r6),
        products(7u, scores.t7, query, keys.r7),
    );
}

// Which of four keys of an eight there are: none beyond the last, and none of an eight that the tile has not.
fn within(eight: u32, first: u32) -> vec4<bool> {
    let key = first + 8u * eight;
    return vec4u(key, key + 1u, key + 2u, key + 3u) < vec4u(select(0u, parameters.tokens, eight < EIGHTS));
}

// Scaled scores, or LOWEST beyond the last key.
fn masked_eight(eight: u32, scores: mat2x4f, scale: f32, first: u32) -> mat2x4f {
    return mat2x4f(
        select(vec4f(LOWEST), scores[0] * scale, within(eight, first)),
        select(vec4f(LOWEST), scores[1] * scale, within(eight, first + 4u)),
    );
}

fn masked(scores: Tile, scale: f32, first: u32) -> Tile {
    return Tile(
        masked_eight(0u, scores.t0, scale, first),
        masked_eight(1u, scores.t1, scale, first),
        masked_eight(2u, scores.t2, scale, first),
        masked_eight(3u, scores.t3, scale, first),
        masked_eight(4u, scores.t4, scale, first),
        masked_eight(5u, scores.t5, scale, first),
        masked_eight(6u, scores.t6, scale, first),
        masked_eight(7u, scores.t7, scale, first),
    );
}

fn higher(a: mat2x4f, b: mat2x4f) -> mat2x4f {
    return mat2x4f(max(a[0], b[0]), max(a[1], b[1]));
}

fn highest_of(scores: Tile) -> f32 {
    let lower = higher(higher(scores.t0, scores.t1), higher(scores.t2, scores.t3));
    let upper = higher(higher(scores.t4, scores.t5), higher(scores.t6, scores.t7));
    let eight = higher(lower, upper);
    let four = max(eight[0], eight[1]);
    return max(max(four.x, four.y), max(four.z, four.w));
}

// The weights of scores, or 0 beyond the last key, even where no score is above LOWEST.
fn weights_eight(eight: u32, scores: mat2x4f, highest: f32, first: u32) -> mat2x4f {
    return mat2x4f(
        select(vec4f(), exp(scores[0] - highest), within(eight, first)),
        select(vec4f(), exp(scores[1] - highest), within(eight, first + 4u)),
    );
}

fn weights(scores: Tile, highest: f32, first: u32) -> Tile {
    return Tile(
        weights_eight(0u, scores.t0, highest, first),
        weights_eight(1u, scores.t1, highest, first),
        weights_eight(2u, scores.t2, highest, first),
        weights_eight(3u, scores.t3, highest, first),
        weights_eight(4u, scores.t4, highest, first),
        weights_eight(5u, scores.t5, highest, first),
        weights_eight(6u, scores.t6, highest, first),
        weights_eight(7u, scores.t7, highest, first),
    );
}

fn sum_of(weights: Tile) -> f32 {
    let lower = weights.t0 + weights.t1 + weights.t2 + weights.t3;
    let upper = weights.t4 + weights.t5 + weights.t6 + weights.t7;
    let eight = lower + upper;
    return dot(eight[0] + eight[1], vec4f(1.0));
}

fn weighted_eight(eight: u32, weights: mat2x4f, value: vec4f) -> vec4f {
    if eight >= EIGHTS {
        return vec4f();
    }
    return lower(value) * weights[0] + upper(value) * weights[1];
}

// Σ weight · value over the keys of a tile.
fn weighted(weights: Tile, values: Rows) -> vec4f {
    return weighted_eight(0u, weights.t0, values.r0)
        + weighted_eight(1u, weights.t1, values.r1)
        + weighted_eight(2u, weights.t2, values.r2)
        + weighted_eight(3u, weights.t3, values.r3)
        + weighted_eight(4u, weights.t4, values.r4)
        + weighted_eight(5u, weights.t5, values.r5)
        + weighted_eight(6u, weights.t6, values.r6)
        + weighted_eight(7u, weights.t7, values.r7);
}

// The online softmax of one query.
struct Softmax {
    highest: f32,
    sum: f32,
    // What sums of earlier tiles are multiplied with.
    correction: f32,
}

fn next(before: Softmax, highest: f32) -> Softmax {
    let next = max(before.highest, highest);
    let correction = exp(before.highest - next);
    return Softmax(next, before.sum * correction, correction);
}

// Adds `value` to what `out` has at `i`, if there is such a query.
fn store(query: u32, i: u32, value: vec4f, softmax: Softmax, first_tile: bool, last_tile: bool) {
    if query >= parameters.tokens {
        return;
    }
    var sum = value;
    if !first_tile {
        sum += unpack(out[i]) * softmax.correction;
    }
    out[i] = pack(sum / select(1.0, softmax.sum, last_tile));
}

fn store_log_sum(first: u32, query: u32, softmax: Softmax) {
    if query < parameters.tokens {
        log_sum[first + query] = softmax.highest + log(softmax.sum);
    }
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
    let own = vec4u(0u, 8u, 16u, 24u) + group.x * 32u + index;
    let query = min(own, vec4u(tokens - 1u));
    let q = head + query * stride;
    let o = (group.z * tokens + query) * width + group.y * quads;

    var softmax_a = Softmax(LOWEST, 0.0, 0.0);
    var softmax_b = Softmax(LOWEST, 0.0, 0.0);
    var softmax_c = Softmax(LOWEST, 0.0, 0.0);
    var softmax_d = Softmax(LOWEST, 0.0, 0.0);
    for (var first = 0u; first < tokens; first += 8u * EIGHTS) {
        var a = Tile();
        var b = Tile();
        var c = Tile();
        var d = Tile();
        for (var i = 0u; i < quads; i++) {
            let keys = rows(first + lane, stride, head + width + i);
            a = add_products(a, unpack(qkv[q.x + i]), keys);
            b = add_products(b, unpack(qkv[q.y + i]), keys);
            c = add_products(c, unpack(qkv[q.z + i]), keys);
            d = add_products(d, unpack(qkv[q.w + i]), keys);
        }
        a = masked(a, scale, first);
        b = masked(b, scale, first);
        c = masked(c, scale, first);
        d = masked(d, scale, first);
        softmax_a = next(softmax_a, highest_of(a));
        softmax_b = next(softmax_b, highest_of(b));
        softmax_c = next(softmax_c, highest_of(c));
        softmax_d = next(softmax_d, highest_of(d));
        a = weights(a, softmax_a.highest, first);
        b = weights(b, softmax_b.highest, first);
        c = weights(c, softmax_c.highest, first);
        d = weights(d, softmax_d.highest, first);
        softmax_a.sum += sum_of(a);
        softmax_b.sum += sum_of(b);
        softmax_c.sum += sum_of(c);
        softmax_d.sum += sum_of(d);
        let last_tile = first + 8u * EIGHTS >= tokens;
        for (var i = 0u; i < quads; i++) {
            let values = rows(first + lane, stride, head + 2u * width + i);
            store(own.x, o.x + i, weighted(a, values), softmax_a, first == 0u, last_tile);
            store(own.y, o.y + i, weighted(b, values), softmax_b, first == 0u, last_tile);
            store(own.z, o.z + i, weighted(c, values), softmax_c, first == 0u, last_tile);
            store(own.w, o.w + i, weighted(d, values), softmax_d, first == 0u, last_tile);
        }
    }
    let log_sums = (group.z * parameters.heads + group.y) * tokens;
    store_log_sum(log_sums, own.x, softmax_a);
    store_log_sum(log_sums, own.y, softmax_b);
    store_log_sum(log_sums, own.z, softmax_c);
    store_log_sum(log_sums, own.w, softmax_d);
}
