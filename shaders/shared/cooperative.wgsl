// What products by cooperative matrices share, of whatever size those are: a step's tiles of A and B, rounded to 16 bits, and
// how what was made is stored. A workgroup makes a tile of 4 × 4 matrices of out.

import package::shared::half::half;
import package::shared::product::{A_TRANSPOSED, B_TRANSPOSED, a, b, parameters, store};

enable f16;

// Rows and columns of a matrix.
override SIZE: u32 = 16u;
// How much of k is in workgroup memory at a time.
const STEP = 32u;
const BLOCKS = 4u;
const INVOCATIONS = 128u;

// Between the rows of a tile: 8 more than they have, so that those of a matrix do not begin in one bank of the memory.
const STRIDE_A = STEP + 8u;

fn stride_b() -> u32 {
    return tile() + 8u;
}

// Rows and columns of a workgroup's tile of out.
fn tile() -> u32 {
    return 4u * SIZE;
}

// tile() rows of STEP, one for each row of out.
var<workgroup> tile_a: array<f16, 4u * SIZE * STRIDE_A>;
// STEP rows of tile(), one for each k.
var<workgroup> tile_b: array<f16, STEP * (4u * SIZE + 8u)>;
// A matrix of each block.
var<workgroup> products: array<f32, BLOCKS * SIZE * SIZE>;

// Element i of the tile of A, and where it goes. Neighbouring invocations load neighbouring words: along k where k is
// contiguous.
fn row_and_k(i: u32) -> vec2u {
    return select(vec2u(i / STEP, i % STEP), vec2u(i % tile(), i / tile()), A_TRANSPOSED);
}

fn column_and_k(i: u32) -> vec2u {
    return select(vec2u(i % tile(), i / tile()), vec2u(i / STEP, i % STEP), B_TRANSPOSED);
}

fn load_a(i: u32, first_row: u32, first_k: u32) -> f32 {
    let at = vec2u(first_row, first_k) + row_and_k(i);
    let within = min(at, vec2u(parameters.m, parameters.k) - 1u);
    let place = select(within.x * parameters.k + within.y, within.y * parameters.m + within.x, A_TRANSPOSED);
    return select(0.0, a[place], all(at == within));
}

fn load_b(i: u32, first_column: u32, first_k: u32) -> f32 {
    let at = vec2u(first_column, first_k) + column_and_k(i);
    let within = min(at, vec2u(parameters.n, parameters.k) - 1u);
    let place = select(within.y * parameters.n + within.x, within.x * parameters.k + within.y, B_TRANSPOSED);
    return select(0.0, b[place], all(at == within));
}

fn put_a(i: u32, value: f32) {
    let at = row_and_k(i);
    tile_a[at.x * STRIDE_A + at.y] = half(value);
}

fn put_b(i: u32, value: f32) {
    let at = column_and_k(i);
    tile_b[at.y * stride_b() + at.x] = half(value);
}

// Eight are read before any is rounded, so that the memory is waited for once.
fn load_tiles(first_row: u32, first_column: u32, first_k: u32, lane: u32) {
    for (var i = lane; i < tile() * STEP; i += 4u * INVOCATIONS) {
        let a0 = load_a(i, first_row, first_k);
        let a1 = load_a(i + INVOCATIONS, first_row, first_k);
        let a2 = load_a(i + 2u * INVOCATIONS, first_row, first_k);
        let a3 = load_a(i + 3u * INVOCATIONS, first_row, first_k);
        let b0 = load_b(i, first_column, first_k);
        let b1 = load_b(i + INVOCATIONS, first_column, first_k);
        let b2 = load_b(i + 2u * INVOCATIONS, first_column, first_k);
        let b3 = load_b(i + 3u * INVOCATIONS, first_column, first_k);
        put_a(i, a0);
        put_a(i + INVOCATIONS, a1);
        put_a(i + 2u * INVOCATIONS, a2);
        put_a(i + 3u * INVOCATIONS, a3);
        put_b(i, b0);
        put_b(i + INVOCATIONS, b1);
        put_b(i + 2u * INVOCATIONS, b2);
        put_b(i + 3u * INVOCATIONS, b3);
    }
}

// Stores the matrices that are in `products` of `count` blocks from the first on; the tile's first row
// and column are where the same matrix of block 0 begins.
fn store_products(first_row: u32, first_column: u32, first: u32, count: u32, lane: u32) {
    let end = min(first + count, BLOCKS) * SIZE * SIZE;
    for (var i = first * SIZE * SIZE + lane; i < end; i += INVOCATIONS) {
        let block = i / (SIZE * SIZE);
        let row = block / 2u * 2u * SIZE + i / SIZE % SIZE;
        let column = block % 2u * 2u * SIZE + i % SIZE;
        store(first_row + row, first_column + column, products[i]);
    }
}
