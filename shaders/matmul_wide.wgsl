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

import package::shared::product::{A_TRANSPOSED, B_TRANSPOSED, EPILOGUE, parameters};
import package::shared::product_quads::{a, b, bias, gate_of, gelu_derivative_of, gelu_of, out, residual, saved};

override SIDE: u32 = 16u;

const STEP: u32 = 16u;

// What a step takes of a and of b, one after the other, each k by k: see `place`.
var<workgroup> tiles: array<vec4f, 64u * SIDE>;

// Where the vec4 of rows (columns) 4i .. 4i+3 for one k lies in its half of `tiles`. The exclusive or spreads what
// neighbouring invocations write at once over the banks of the memory.
fn place(k: u32, i: u32) -> u32 {
    return k * 2u * SIDE + (i ^ (k / 4u * 2u));
}

// Rows row .. row+3 of A for k .. k+3 as they lie in memory. Rows beyond the last are read as the last, and not stored.
fn load_a(row: u32, k: u32, end: u32) -> mat4x4f {
    if A_TRANSPOSED {
        let stride = parameters.m / 4u;
        let i = min(row / 4u, stride - 1u);
        let last = end - 1u;
        return mat4x4f(
            a[min(k, last) * stride + i],
            a[min(k + 1u, last) * stride + i],
            a[min(k + 2u, last) * stride + i],
            a[min(k + 3u, last) * stride + i],
        );
    }
    let stride = parameters.k / 4u;
    let i = min(k / 4u, stride - 1u);
    let last = parameters.m - 1u;
    return mat4x4f(
        a[min(row, last) * stride + i],
        a[min(row + 1u, last) * stride + i],
        a[min(row + 2u, last) * stride + i],
        a[min(row + 3u, last) * stride + i],
    );
}

// Columns column .. column+3 of B, likewise.
fn load_b(column: u32, k: u32, end: u32) -> mat4x4f {
    if B_TRANSPOSED {
        let stride = parameters.k / 4u;
        // Columns come in fours.
        let i = min(column, parameters.n - 4u) * stride + min(k / 4u, stride - 1u);
        return mat4x4f(b[i], b[i + stride], b[i + 2u * stride], b[i + 3u * stride]);
    }
    let stride = parameters.n / 4u;
    let i = min(column / 4u, stride - 1u);
    let last = end - 1u;
    return mat4x4f(
        b[min(k, last) * stride + i],
        b[min(k + 1u, last) * stride + i],
        b[min(k + 2u, last) * stride + i],
        b[min(k + 3u, last) * stride + i],
    );
}

// Where what a slice stores begins in `out`, in vec4s.
fn first_of(slice: u32) -> u32 {
    return slice * (parameters.m * (parameters.n / 4u) + select(0u, parameters.m / 4u, parameters.save == 2u));
}

// Rows row .. row+3 of a vec4 of columns; `column` counts vec4s. All is read before anything is stored, so that the
// memory is waited for once; rows beyond the last are read as the last.
fn store_rows(row: u32, column: u32, products: mat4x4f, slice: u32) {
    let columns = parameters.n / 4u;
    if column >= columns {
        return;
    }
    let rows = min(vec4u(row) + vec4u(0u, 1u, 2u, 3u), vec4u(parameters.m - 1u));
    let i = rows * columns + column;
    if EPILOGUE == 0u {
        keep(row, i + first_of(slice), products);
        return;
    }
    if EPILOGUE == 1u {
        keep(row, i, products + mat4x4f(out[i.x], out[i.y], out[i.z], out[i.w]));
        return;
    }
    if EPILOGUE == 5u {
        let x = mat4x4f(residual[i.x], residual[i.y], residual[i.z], residual[i.w]);
        keep(row, i, mat4x4f(
            products[0] * gelu_derivative_of(x[0]),
            products[1] * gelu_derivative_of(x[1]),
            products[2] * gelu_derivative_of(x[2]),
            products[3] * gelu_derivative_of(x[3]),
        ));
        return;
    }
    let added = bias[column];
    var values = products + mat4x4f(added, added, added, added);
    if EPILOGUE == 4u {
        let x = mat4x4f(residual[i.x], residual[i.y], residual[i.z], residual[i.w]);
        let gates = mat4x4f(
            gate_of(rows.x, column), gate_of(rows.y, column), gate_of(rows.z, column), gate_of(rows.w, column),
        );
        save(row, i, values);
        keep(row, i, mat4x4f(
            x[0] + gates[0] * values[0],
            x[1] + gates[1] * values[1],
            x[2] + gates[2] * values[2],
            x[3] + gates[3] * values[3],
        ));
        return;
    }
    save(row, i, values);
    if EPILOGUE == 3u {
        values = mat4x4f(gelu_of(values[0]), gelu_of(values[1]), gelu_of(values[2]), gelu_of(values[3]));
    }
    keep(row, i, values);
}

// Stores the rows that there are.
fn keep(row: u32, i: vec4u, values: mat4x4f) {
    if row < parameters.m {
        out[i.x] = values[0];
    }
    if row + 1u < parameters.m {
        out[i.y] = values[1];
    }
    if row + 2u < parameters.m {
        out[i.z] = values[2];
    }
    if row + 3u < parameters.m {
        out[i.w] = values[3];
    }
}

fn save(row: u32, i: vec4u, values: mat4x4f) {
    if parameters.save == 0u {
        return;
    }
    if row < parameters.m {
        saved[i.x] = values[0];
    }
    if row + 1u < parameters.m {
        saved[i.y] = values[1];
    }
    if row + 2u < parameters.m {
        saved[i.z] = values[2];
    }
    if row + 3u < parameters.m {
        saved[i.w] = values[3];
    }
}

// A step takes 8 · SIDE blocks of 4 × 4 of either operand, those of a first. This is the row (column) and the k where block i
// begins. Neighbouring invocations load neighbouring words: k is contiguous in memory where it is the operand's last dimension.
fn corner_of(i: u32) -> vec2u {
    let block = i % (8u * SIDE);
    let k = select(block / (2u * SIDE), block % 4u, k_contiguous(i));
    let line = select(block % (2u * SIDE), block / 4u, k_contiguous(i));
    return 4u * vec2u(line, k);
}

fn k_contiguous(i: u32) -> bool {
    return select(!A_TRANSPOSED, B_TRANSPOSED, i >= 8u * SIDE);
}

// A block as it lies in memory.
fn fetch(i: u32, first_row: u32, first_column: u32, first_k: u32, end: u32) -> mat4x4f {
    let corner = corner_of(i);
    if i < 8u * SIDE {
        return load_a(first_row + corner.x, first_k + corner.y, end);
    }
    return load_b(first_column + corner.x, first_k + corner.y, end);
}

// A fetched block with a column for each k, zeros from `end` on.
fn by_k(i: u32, fetched: mat4x4f, first_k: u32, end: u32) -> mat4x4f {
    var block = fetched;
    if k_contiguous(i) {
        block = transpose(fetched);
    }
    let k = first_k + corner_of(i).y;
    let zero = vec4f();
    return mat4x4f(
        select(zero, block[0], k < end),
        select(zero, block[1], k + 1u < end),
        select(zero, block[2], k + 2u < end),
        select(zero, block[3], k + 3u < end),
    );
}

fn put(i: u32, block: mat4x4f) {
    let corner = corner_of(i);
    let first = select(0u, 32u * SIDE, i >= 8u * SIDE);
    tiles[first + place(corner.y, corner.x / 4u)] = block[0];
    tiles[first + place(corner.y + 1u, corner.x / 4u)] = block[1];
    tiles[first + place(corner.y + 2u, corner.x / 4u)] = block[2];
    tiles[first + place(corner.y + 3u, corner.x / 4u)] = block[3];
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
    // The first 8·SIDE invocations sum up a column of a each, where that is asked for.
    let sums = A_TRANSPOSED && parameters.save == 2u && group.x == 0u;
    var sum = 0.0;

    // Of either half of the rows and of the columns, a column for each row of the sums.
    var upper_left = mat4x4f();
    var upper_right = mat4x4f();
    var lower_left = mat4x4f();
    var lower_right = mat4x4f();
    // A step's tiles are fetched while the step before it is worked on.
    let first_step = group.z * slice;
    var next = fetch(lane, first_row, first_column, first_step, end);
    var next_of_b = mat4x4f();
    if SIDE == 8u {
        next_of_b = fetch(lane + 64u, first_row, first_column, first_step, end);
    }
    for (var first_k = first_step; first_k < end; first_k += STEP) {
        put(lane, by_k(lane, next, first_k, end));
        if SIDE == 8u {
            put(lane + 64u, by_k(lane + 64u, next_of_b, first_k, end));
        }
        workgroupBarrier();
        next = fetch(lane, first_row, first_column, first_k + STEP, end);
        if SIDE == 8u {
            next_of_b = fetch(lane + 64u, first_row, first_column, first_k + STEP, end);
        }
        if sums && lane < 8u * SIDE {
            for (var k = 0u; k < STEP; k++) {
                sum += tiles[place(k, lane / 4u)][lane % 4u];
            }
        }
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

    if sums {
        if lane < 8u * SIDE {
            tiles[lane].x = sum;
        }
        workgroupBarrier();
        let line = first_row / 4u + lane;
        if lane < 2u * SIDE && line < parameters.m / 4u {
            let i = first_of(group.z) + parameters.m * (parameters.n / 4u) + line;
            let four = lane * 4u;
            let values = vec4f(tiles[four].x, tiles[four + 1u].x, tiles[four + 2u].x, tiles[four + 3u].x);
            if EPILOGUE == 1u {
                out[i] += values;
            } else {
                out[i] = values;
            }
        }
    }
}
