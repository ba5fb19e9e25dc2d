// Matrix product with a fused epilogue, for adapters that run on a CPU and have subgroups of 8 or more and integers of 64
// bits: same contract and bindings as matmul_register.wgsl, with fewer loads. There a load costs one read a lane, whether
// or not lanes ask for the same: so the lanes of a subgroup read eight different vec4s of A, and pass them round. Four
// floats are read and written as two pairs (shared/product_pairs.wgsl), which costs half.
// Needs n to be a multiple of 4, and k too (m where A_TRANSPOSED): rows are read as vec4.
// Where A_TRANSPOSED it also sums the columns of a, (m), if `save` is 2: out gets them behind the product, the gradient of a
// Linear's bias behind that of its weight, for no load more.
//
// Tiling: an invocation makes 32 rows × 4 columns of out in eight named accumulators of four rows each. All
// lanes of a workgroup have the same rows, so that it does not matter which of them share a subgroup.
// Launch: (ceil(n / 64), ceil(m / 32)) workgroups of 16.

import package::shared::pairs::{pack, unpack};
import package::shared::product::{A_TRANSPOSED, B_TRANSPOSED, EPILOGUE, parameters};
import package::shared::product_pairs::{a, b, out, store_four};
import package::shared::subgroup::{lower, upper};

// Sums of four columns of a.
fn store_sum(quad: u32, sum: vec4f) {
    if quad >= parameters.m / 4u {
        return;
    }
    let i = parameters.m * (parameters.n / 4u) + quad;
    if EPILOGUE == 1u {
        out[i] = pack(unpack(out[i]) + sum);
    } else {
        out[i] = pack(sum);
    }
}

fn store_four_sums(quad: u32, sums: mat4x4f) {
    store_sum(quad, sums[0]);
    store_sum(quad + 1u, sums[1]);
    store_sum(quad + 2u, sums[2]);
    store_sum(quad + 3u, sums[3]);
}

// A vec4 of a's row k, where a is (k, m); zeros beyond the last row.
fn read_left(k: u32, quad: u32) -> vec4f {
    if k >= parameters.k {
        return vec4f();
    }
    return unpack(a[k * (parameters.m / 4u) + quad]);
}

// The same of b, which is (k, n).
fn read_right(k: u32, column: u32) -> vec4f {
    if A_TRANSPOSED && k >= parameters.k {
        return vec4f();
    }
    return unpack(b[k * (parameters.n / 4u) + column]);
}

@compute @workgroup_size(16)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_index) index: u32,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let lane = subgroup_lane % 8u;
    let row = group.y * 32u;
    let columns = parameters.n / 4u;
    // Lanes beyond the last column stay, for what they read of A; they read B's last column and store nothing.
    let column = group.x * 16u + index;
    let within = min(column, columns - 1u);
    var c0 = mat4x4f();
    var c1 = mat4x4f();
    var c2 = mat4x4f();
    var c3 = mat4x4f();
    var c4 = mat4x4f();
    var c5 = mat4x4f();
    var c6 = mat4x4f();
    var c7 = mat4x4f();
    // The rows of A, in vec4s along k, that this lane reads for all; those beyond the last are read as the last, and not stored.
    let quads = parameters.k / 4u;
    let last = parameters.m - 1u;
    let r0 = min(row + lane, last) * quads;
    let r1 = min(row + 8u + lane, last) * quads;
    let r2 = min(row + 16u + lane, last) * quads;
    let r3 = min(row + 24u + lane, last) * quads;
    // Where a is (k, m), the lanes' vec4s are the tile's 32 rows for one k, and this is the lane's.
    let left_quad = min(row / 4u + lane, parameters.m / 4u - 1u);
    var sums = vec4f();
    // Broadcast to hide that it is a parameter: where a loop ends at a parameter, Mesa 22 may compile the kernel anew at every
    // launch, with the number put in.
    let inner = subgroupBroadcast(parameters.k, 0u);
    // Four k at a time: the sums do not fit the registers, and are fetched and stored once for four.
    for (var k = 0u; k < inner; k += 4u) {
        // Column i of `block` is what the i-th of four k multiplies.
        var block: mat4x4f;
        if B_TRANSPOSED {
            let first = within * 4u * quads + k / 4u;
            block = transpose(mat4x4f(
                unpack(b[first]),
                unpack(b[first + quads]),
                unpack(b[first + 2u * quads]),
                unpack(b[first + 3u * quads]),
            ));
        } else {
            block = mat4x4f(
                read_right(k, within),
                read_right(k + 1u, within),
                read_right(k + 2u, within),
                read_right(k + 3u, within),
            );
        }
        // Four rows of A, for these four k, in columns.
        var rows: mat4x4f;
        if A_TRANSPOSED {
            let left = mat4x4f(
                read_left(k, left_quad),
                read_left(k + 1u, left_quad),
                read_left(k + 2u, left_quad),
                read_left(k + 3u, left_quad),
            );
            sums += left[0] + left[1] + left[2] + left[3];
            rows = transpose(left);
        } else {
            let i = k / 4u;
            rows = mat4x4f(unpack(a[r0 + i]), unpack(a[r1 + i]), unpack(a[r2 + i]), unpack(a[r3 + i]));
        }
        c0 += block * lower(rows[0]);
        c1 += block * upper(rows[0]);
        c2 += block * lower(rows[1]);
        c3 += block * upper(rows[1]);
        c4 += block * lower(rows[2]);
        c5 += block * upper(rows[2]);
        c6 += block * lower(rows[3]);
        c7 += block * upper(rows[3]);
    }
    if A_TRANSPOSED {
        // Every lane learns all sums, because which of them is in which subgroup does not tell who should store them.
        let first = lower(sums);
        let last = upper(sums);
        if parameters.save == 2u && group.x == 0u && index == 0u {
            store_four_sums(row / 4u, first);
            store_four_sums(row / 4u + 4u, last);
        }
    }
    if column >= columns {
        return;
    }
    // Of the i-th column of `rows` a lane has row 4 · lane + i of the tile, or 8 · i + lane.
    let step = select(1u, 4u, A_TRANSPOSED);
    let next = select(8u, 1u, A_TRANSPOSED);
    let half = 4u * step;
    store_four(row, step, column, c0);
    store_four(row + half, step, column, c1);
    store_four(row + next, step, column, c2);
    store_four(row + next + half, step, column, c3);
    store_four(row + 2u * next, step, column, c4);
    store_four(row + 2u * next + half, step, column, c5);
    store_four(row + 3u * next, step, column, c6);
    store_four(row + 3u * next + half, step, column, c7);
}
