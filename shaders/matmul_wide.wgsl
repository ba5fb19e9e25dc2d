// Matrix product with a fused epilogue, for hardware GPUs: same contract and bindings as matmul.wgsl, in tiles of more
// sums an invocation, and in slices of k where out has too few tiles to fill the device.
// Needs n to be a multiple of 4, and k too (m where A_TRANSPOSED): rows are read as vec4.
// With `save` = 2 and A_TRANSPOSED, out also gets the sums of a's columns, (m), behind the product: the gradient of a bias
// behind that of its weight.
//
// Tiling: a workgroup of SIDE × SIDE makes a tile of 8·SIDE × 8·SIDE of out, an invocation 8 × 8 of it in four matrices of
// sums: rows 4y .. 4y+3 of either half of the tile, columns likewise. A step takes 16 of k through workgroup memory
// (1 KiB · SIDE), in blocks of 4 × 4, so that the inner loop reads four vec4 for 64 multiply-adds.
// Launch: (ceil(n / (8·SIDE)), ceil(m / (8·SIDE)), slices) workgroups. Of more than one slice, each writes a product
// (and sums) of its own, one after the other, for column_sum to add up; EPILOGUE is 0 then.

import package::shared::gelu::{gelu, gelu_derivative};

struct Parameters {
    m: u32,
    n: u32,
    k: u32,
    tokens: u32,
    modulation_width: u32,
    gate: u32,
    save: u32,
}

override SIDE: u32 = 16u;
override A_TRANSPOSED: bool = false;
override B_TRANSPOSED: bool = false;
override EPILOGUE: u32 = 0u;

const STEP: u32 = 16u;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read> residual: array<vec4f>;
// Scalars, because the gate's column need not be a multiple of 4.
@group(0) @binding(5) var<storage, read> modulation: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> saved: array<vec4f>;

// What a step takes of a and of b, one after the other, each k by k: see `place`.
var<workgroup> tiles: array<vec4f, 64u * SIDE>;

// Where the vec4 of rows (columns) 4i .. 4i+3 for one k lies in its half of `tiles`. The exclusive or spreads what
// neighbouring invocations write at once over the banks of the memory.
fn place(k: u32, i: u32) -> u32 {
    return k * 2u * SIDE + (i ^ (k / 4u * 2u));
}

// Rows row .. row+3 of A for k .. k+3, a column for each k, zeros from `end` on.
// Rows beyond the last are read as the last, and not stored.
fn load_a(row: u32, k: u32, end: u32) -> mat4x4f {
    if A_TRANSPOSED {
        let stride = parameters.m / 4u;
        let i = min(row / 4u, stride - 1u);
        let last = end - 1u;
        return until(end, k, mat4x4f(
            a[min(k, last) * stride + i],
            a[min(k + 1u, last) * stride + i],
            a[min(k + 2u, last) * stride + i],
            a[min(k + 3u, last) * stride + i],
        ));
    }
    let stride = parameters.k / 4u;
    let i = min(k / 4u, stride - 1u);
    let last = parameters.m - 1u;
    return until(end, k, transpose(mat4x4f(
        a[min(row, last) * stride + i],
        a[min(row + 1u, last) * stride + i],
        a[min(row + 2u, last) * stride + i],
        a[min(row + 3u, last) * stride + i],
    )));
}

// Columns column .. column+3 of B, likewise.
fn load_b(column: u32, k: u32, end: u32) -> mat4x4f {
    if B_TRANSPOSED {
        let stride = parameters.k / 4u;
        // Columns come in fours.
        let i = min(column, parameters.n - 4u) * stride + min(k / 4u, stride - 1u);
        return until(end, k, transpose(mat4x4f(b[i], b[i + stride], b[i + 2u * stride], b[i + 3u * stride])));
    }
    let stride = parameters.n / 4u;
    let i = min(column / 4u, stride - 1u);
    let last = end - 1u;
    return until(end, k, mat4x4f(
        b[min(k, last) * stride + i],
        b[min(k + 1u, last) * stride + i],
        b[min(k + 2u, last) * stride + i],
        b[min(k + 3u, last) * stride + i],
    ));
}

// Zeros in place of the columns for k from `end` on.
fn until(end: u32, k: u32, block: mat4x4f) -> mat4x4f {
    let zero = vec4f();
    return mat4x4f(
        select(zero, block[0], k < end),
        select(zero, block[1], k + 1u < end),
        select(zero, block[2], k + 2u < end),
        select(zero, block[3], k + 3u < end),
    );
}

// Where what a slice stores begins in `out`, in vec4s.
fn first_of(slice: u32) -> u32 {
    return slice * (parameters.m * (parameters.n / 4u) + select(0u, parameters.m / 4u, parameters.save == 2u));
}

// `column` and `columns` count vec4s.
fn store(row: u32, column: u32, product: vec4f, slice: u32) {
    let columns = parameters.n / 4u;
    if row >= parameters.m || column >= columns {
        return;
    }
    let i = row * columns + column;
    if EPILOGUE == 0u {
        out[first_of(slice) + i] = product;
        return;
    }
    if EPILOGUE == 1u {
        out[i] += product;
        return;
    }
    if EPILOGUE == 5u {
        let x = residual[i];
        out[i] = product * vec4f(gelu_derivative(x.x), gelu_derivative(x.y), gelu_derivative(x.z), gelu_derivative(x.w));
        return;
    }
    let value = product + bias[column];
    if parameters.save != 0u {
        saved[i] = value;
    }
    if EPILOGUE == 2u {
        out[i] = value;
    } else if EPILOGUE == 3u {
        out[i] = vec4f(gelu(value.x), gelu(value.y), gelu(value.z), gelu(value.w));
    } else {
        let first = row / parameters.tokens * parameters.modulation_width + parameters.gate + column * 4u;
        let gate = vec4f(modulation[first], modulation[first + 1u], modulation[first + 2u], modulation[first + 3u]);
        out[i] = residual[i] + gate * value;
    }
}

fn store_rows(row: u32, column: u32, products: mat4x4f, slice: u32) {
    store(row, column, products[0], slice);
    store(row + 1u, column, products[1], slice);
    store(row + 2u, column, products[2], slice);
    store(row + 3u, column, products[3], slice);
}

// sums + rows · columnsᵀ
fn add_products(sums: mat4x4f, rows: vec4f, columns: vec4f) -> mat4x4f {
    return mat4x4f(
        sums[0] + rows.x * columns,
        sums[1] + rows.y * columns,
        sums[2] + rows.z * columns,
        sums[3] + rows.w * columns,
    );
}

@compute @workgroup_size(SIDE, SIDE)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(num_workgroups) groups: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let first_row = group.y * 8u * SIDE;
    let first_column = group.x * 8u * SIDE;
    let steps = (parameters.k + STEP - 1u) / STEP;
    let slice = (steps + groups.z - 1u) / groups.z * STEP;
    let end = min((group.z + 1u) * slice, parameters.k);
    // A step takes 8·SIDE blocks of 4 × 4 of either operand. Neighbouring invocations load neighbouring words.
    let blocks = 8u * SIDE;
    var sums = vec4f();

    // Of either half of the rows and of the columns, a column for each row of the sums.
    var upper_left = mat4x4f();
    var upper_right = mat4x4f();
    var lower_left = mat4x4f();
    var lower_right = mat4x4f();
    for (var first_k = group.z * slice; first_k < end; first_k += STEP) {
        for (var i = lane; i < 2u * blocks; i += SIDE * SIDE) {
            let of_b = i >= blocks;
            let block = i % blocks;
            // k is contiguous in memory where it is the operand's last dimension.
            let k_contiguous = select(!A_TRANSPOSED, B_TRANSPOSED, of_b);
            let k = select(block / (2u * SIDE), block % 4u, k_contiguous) * 4u;
            let line = select(block % (2u * SIDE), block / 4u, k_contiguous);
            var values: mat4x4f;
            if of_b {
                values = load_b(first_column + line * 4u, first_k + k, end);
            } else {
                values = load_a(first_row + line * 4u, first_k + k, end);
                sums += values[0] + values[1] + values[2] + values[3];
            }
            let first = select(0u, 32u * SIDE, of_b);
            tiles[first + place(k, line)] = values[0];
            tiles[first + place(k + 1u, line)] = values[1];
            tiles[first + place(k + 2u, line)] = values[2];
            tiles[first + place(k + 3u, line)] = values[3];
        }
        workgroupBarrier();
        // Unrolled by hand, because a loop comes with a check of its own that it ends.
        for (var k = 0u; k < STEP; k += 4u) {
            let rows = place(k, local.y);
            let columns = 32u * SIDE + place(k, local.x);
            let upper0 = tiles[rows];
            let lower0 = tiles[rows + SIDE];
            let left0 = tiles[columns];
            let right0 = tiles[columns + SIDE];
            upper_left = add_products(upper_left, upper0, left0);
            upper_right = add_products(upper_right, upper0, right0);
            lower_left = add_products(lower_left, lower0, left0);
            lower_right = add_products(lower_right, lower0, right0);
            let upper1 = tiles[rows + 2u * SIDE];
            let lower1 = tiles[rows + 3u * SIDE];
            let left1 = tiles[columns + 2u * SIDE];
            let right1 = tiles[columns + 3u * SIDE];
            upper_left = add_products(upper_left, upper1, left1);
            upper_right = add_products(upper_right, upper1, right1);
            lower_left = add_products(lower_left, lower1, left1);
            lower_right = add_products(lower_right, lower1, right1);
            let upper2 = tiles[rows + 4u * SIDE];
            let lower2 = tiles[rows + 5u * SIDE];
            let left2 = tiles[columns + 4u * SIDE];
            let right2 = tiles[columns + 5u * SIDE];
            upper_left = add_products(upper_left, upper2, left2);
            upper_right = add_products(upper_right, upper2, right2);
            lower_left = add_products(lower_left, lower2, left2);
            lower_right = add_products(lower_right, lower2, right2);
            let upper3 = tiles[rows + 6u * SIDE];
            let lower3 = tiles[rows + 7u * SIDE];
            let left3 = tiles[columns + 6u * SIDE];
            let right3 = tiles[columns + 7u * SIDE];
            upper_left = add_products(upper_left, upper3, left3);
            upper_right = add_products(upper_right, upper3, right3);
            lower_left = add_products(lower_left, lower3, left3);
            lower_right = add_products(lower_right, lower3, right3);
        }
        workgroupBarrier();
    }
    let row = first_row + local.y * 4u;
    let column = first_column / 4u + local.x;
    store_rows(row, column, upper_left, group.z);
    store_rows(row, column + SIDE, upper_right, group.z);
    store_rows(row + 4u * SIDE, column, lower_left, group.z);
    store_rows(row + 4u * SIDE, column + SIDE, lower_right, group.z);

    if A_TRANSPOSED && parameters.save == 2u && group.x == 0u {
        // The first 8·SIDE invocations loaded a, and those that are 2·SIDE apart the same rows.
        if lane < blocks {
            tiles[lane] = sums;
        }
        workgroupBarrier();
        let line = first_row / 4u + lane;
        if lane < 2u * SIDE && line < parameters.m / 4u {
            let i = first_of(group.z) + parameters.m * (parameters.n / 4u) + line;
            let sum = tiles[lane] + tiles[lane + 2u * SIDE] + tiles[lane + 4u * SIDE] + tiles[lane + 6u * SIDE];
            if EPILOGUE == 1u {
                out[i] += sum;
            } else {
                out[i] = sum;
            }
        }
    }
}
