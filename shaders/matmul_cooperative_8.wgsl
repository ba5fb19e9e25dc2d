// Matrix product of operands rounded to 16 bits, accumulated in 32, by the matrix units of the adapter:
// same contract and bindings as matmul.wgsl, whose operands are f32 in memory here too. Needs
// 16-bit floats, subgroups, and cooperative matrices of 8 × 8 f16 that add up in f32; the file for
// the other size differs in the size alone. An operand beyond ±65504 is taken for an infinity.
//
// Tiling: a workgroup of 128 makes a tile of 4 × 4 matrices of out, a subgroup a block of 2 × 2 of them
// in four named accumulators, in as many rounds as there are too few subgroups for four blocks. A step
// rounds 32 of k into workgroup memory, zeros beyond the ends. What is made goes through workgroup
// memory to the epilogue, a matrix of each block at a time.
// Launch: (ceil(n / 32), ceil(m / 32)) workgroups.

import package::shared::gelu::{gelu, gelu_derivative};
import package::shared::half::half;

enable f16;
enable wgpu_cooperative_matrix;

struct Parameters {
    m: u32,
    n: u32,
    k: u32,
    tokens: u32,
    modulation_width: u32,
    gate: u32,
    save: u32,
}

override A_TRANSPOSED: bool = false;
override B_TRANSPOSED: bool = false;
// 0: A · B, 1: out + A · B, 2: + bias, 3: gelu(+ bias), 4: residual + gate ⊙ (+ bias)
override EPILOGUE: u32 = 0u;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read> modulation: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<storage, read_write> saved: array<f32>;

alias Left = coop_mat8x8<f16, A>;
alias Right = coop_mat8x8<f16, B>;
alias Sum = coop_mat8x8<f32, C>;

// Rows and columns of a matrix, and of a workgroup's tile of out.
const SIZE = 8u;
const TILE = 4u * SIZE;
// How much of k is in workgroup memory at a time.
const STEP = 32u;
const BLOCKS = 4u;
const INVOCATIONS = 128u;

// Between the rows of a tile: 8 more than they have, so that those of a matrix do not begin in one bank of the memory.
const STRIDE_A = STEP + 8u;
const STRIDE_B = TILE + 8u;

// TILE rows of STEP, one for each row of out.
var<workgroup> tile_a: array<f16, TILE * STRIDE_A>;
// STEP rows of TILE, one for each k.
var<workgroup> tile_b: array<f16, STEP * STRIDE_B>;
// A matrix of each block.
var<workgroup> products: array<f32, BLOCKS * SIZE * SIZE>;

// Element i of the tile of A, and where it goes. Neighbouring invocations load neighbouring words: along k where k is
// contiguous.
fn row_and_k(i: u32) -> vec2u {
    return select(vec2u(i / STEP, i % STEP), vec2u(i % TILE, i / TILE), A_TRANSPOSED);
}

fn column_and_k(i: u32) -> vec2u {
    return select(vec2u(i % TILE, i / TILE), vec2u(i / STEP, i % STEP), B_TRANSPOSED);
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
    tile_b[at.y * STRIDE_B + at.x] = half(value);
}

fn store(row: u32, column: u32, product: f32) {
    if row >= parameters.m || column >= parameters.n {
        return;
    }
    let i = row * parameters.n + column;
    if EPILOGUE == 0u {
        out[i] = product;
        return;
    }
    if EPILOGUE == 1u {
        out[i] += product;
        return;
    }
    if EPILOGUE == 5u {
        out[i] = product * gelu_derivative(residual[i]);
        return;
    }
    let value = product + bias[column];
    if parameters.save != 0u {
        saved[i] = value;
    }
    if EPILOGUE == 2u {
        out[i] = value;
    } else if EPILOGUE == 3u {
        out[i] = gelu(value);
    } else {
        let item = row / parameters.tokens;
        let gate = modulation[item * parameters.modulation_width + parameters.gate + column];
        out[i] = residual[i] + gate * value;
    }
}

// Eight are read before any is rounded, so that the memory is waited for once.
fn load_tiles(first_row: u32, first_column: u32, first_k: u32, lane: u32) {
    for (var i = lane; i < TILE * STEP; i += 4u * INVOCATIONS) {
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

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_size) width: u32,
) {
    // Subgroups smaller than they say share a number, and make the same twice.
    let subgroup = lane / width;
    let subgroups = INVOCATIONS / width;
    let first_row = group.y * TILE;
    let first_column = group.x * TILE;
    for (var first = 0u; first < BLOCKS; first += subgroups) {
        // Where there are more subgroups than blocks, several make the same.
        let block = (first + subgroup) % BLOCKS;
        let upper = block / 2u * 2u * SIZE * STRIDE_A;
        let lower = upper + SIZE * STRIDE_A;
        let left = block % 2u * 2u * SIZE;
        let right = left + SIZE;
        var c00 = Sum();
        var c01 = Sum();
        var c10 = Sum();
        var c11 = Sum();
        for (var first_k = 0u; first_k < parameters.k; first_k += STEP) {
            load_tiles(first_row, first_column, first_k, lane);
            workgroupBarrier();
            for (var k = 0u; k < STEP; k += SIZE) {
                let a0 = coopLoadT<Left>(&tile_a[upper + k], STRIDE_A);
                let a1 = coopLoadT<Left>(&tile_a[lower + k], STRIDE_A);
                let b0 = coopLoadT<Right>(&tile_b[k * STRIDE_B + left], STRIDE_B);
                let b1 = coopLoadT<Right>(&tile_b[k * STRIDE_B + right], STRIDE_B);
                c00 = coopMultiplyAdd(a0, b0, c00);
                c01 = coopMultiplyAdd(a0, b1, c01);
                c10 = coopMultiplyAdd(a1, b0, c10);
                c11 = coopMultiplyAdd(a1, b1, c11);
            }
            workgroupBarrier();
        }
        let place = block * SIZE * SIZE;
        coopStoreT(c00, &products[place], SIZE);
        workgroupBarrier();
        store_products(first_row, first_column, first, subgroups, lane);
        workgroupBarrier();
        coopStoreT(c01, &products[place], SIZE);
        workgroupBarrier();
        store_products(first_row, first_column + SIZE, first, subgroups, lane);
        workgroupBarrier();
        coopStoreT(c10, &products[place], SIZE);
        workgroupBarrier();
        store_products(first_row + SIZE, first_column, first, subgroups, lane);
        workgroupBarrier();
        coopStoreT(c11, &products[place], SIZE);
        workgroupBarrier();
        store_products(first_row + SIZE, first_column + SIZE, first, subgroups, lane);
        workgroupBarrier();
    }
}
