// Matrix product with a fused epilogue, for adapters that run on a CPU and have subgroups of 8 or more and integers of 64
// bits: same contract and bindings as matmul_register.wgsl, with fewer loads. There a load costs one read a lane, whether
// or not lanes ask for the same: so the lanes of a subgroup read eight different vec4s of A, and pass them round. A vec4
// of A or B is read as two pairs of floats (shared/pairs.wgsl), which costs half.
// Needs n to be a multiple of 4, and k too (m where A_TRANSPOSED): rows are read as vec4.
// Where A_TRANSPOSED it also sums the columns of a, (m), if `save` is 2: out gets them behind the product, the gradient of a
// Linear's bias behind that of its weight, for no load more.
//
// Tiling: an invocation makes 32 rows × 4 columns of out in eight named accumulators of four rows each. All
// lanes of a workgroup have the same rows, so that it does not matter which of them share a subgroup.
// Launch: (ceil(n / 64), ceil(m / 32)) workgroups of 16.

import package::shared::pairs::unpack;
import package::shared::product::{A_TRANSPOSED, B_TRANSPOSED, EPILOGUE, parameters};
import package::shared::product_quads::{out, store};
import package::shared::subgroup::{lower, upper};

@group(0) @binding(1) var<storage, read> a: array<vec2<u64>>;
@group(0) @binding(2) var<storage, read> b: array<vec2<u64>>;

// Sums of four columns of a.
fn store_sum(quad: u32, sum: vec4f) {
    if quad >= parameters.m / 4u {
        return;
    }
    let i = parameters.m * (parameters.n / 4u) + quad;
    if EPILOGUE == 1u {
        out[i] += sum;
    } else {
        out[i] = sum;
    }
}

fn store_four_sums(quad: u32, sums: mat4x4f) {
    store_sum(quad, sums[0]);
    store_sum(quad + 1u, sums[1]);
    store_sum(quad + 2u, sums[2]);
    store_sum(quad + 3u, sums[3]);
}

// Four rows of A times four columns of B, for one k.
fn outer(columns: vec4f, rows: vec4f) -> mat4x4f {
    return mat4x4f(columns * rows.x, columns * rows.y, columns * rows.z, columns * rows.w);
}

fn store_four(row: u32, column: u32, products: mat4x4f) {
    store(row, column, products[0]);
    store(row + 1u, column, products[1]);
    store(row + 2u, column, products[2]);
    store(row + 3u, column, products[3]);
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
    if A_TRANSPOSED {
        // a is (k, m): the eight lanes' vec4s are 32 rows of A for one k.
        let stride = parameters.m / 4u;
        let quad = min(row / 4u + lane, stride - 1u);
        var sums = vec4f();
        for (var k = 0u; k < parameters.k; k++) {
            let right = unpack(b[k * columns + within]);
            let left = unpack(a[k * stride + quad]);
            sums += left;
            c0 += outer(right, subgroupBroadcast(left, 0u));
            c1 += outer(right, subgroupBroadcast(left, 1u));
            c2 += outer(right, subgroupBroadcast(left, 2u));
            c3 += outer(right, subgroupBroadcast(left, 3u));
            c4 += outer(right, subgroupBroadcast(left, 4u));
            c5 += outer(right, subgroupBroadcast(left, 5u));
            c6 += outer(right, subgroupBroadcast(left, 6u));
            c7 += outer(right, subgroupBroadcast(left, 7u));
        }
        // Every lane learns all sums, because which of them is in which subgroup does not tell who should store them.
        let first = lower(sums);
        let last = upper(sums);
        if parameters.save == 2u && group.x == 0u && index == 0u {
            store_four_sums(row / 4u, first);
            store_four_sums(row / 4u + 4u, last);
        }
    } else {
        // A lane reads four k of one row; rows beyond the last are read as the last, and not stored.
        let stride = parameters.k / 4u;
        let last = parameters.m - 1u;
        let r0 = min(row + lane, last) * stride;
        let r1 = min(row + 8u + lane, last) * stride;
        let r2 = min(row + 16u + lane, last) * stride;
        let r3 = min(row + 24u + lane, last) * stride;
        for (var k = 0u; k < stride; k++) {
            // Column i of `block` is what the i-th of four k multiplies.
            var block: mat4x4f;
            if B_TRANSPOSED {
                let first = within * 4u * stride + k;
                block = transpose(mat4x4f(
                    unpack(b[first]),
                    unpack(b[first + stride]),
                    unpack(b[first + 2u * stride]),
                    unpack(b[first + 3u * stride]),
                ));
            } else {
                let first = k * 4u * columns + within;
                block = mat4x4f(
                    unpack(b[first]),
                    unpack(b[first + columns]),
                    unpack(b[first + 2u * columns]),
                    unpack(b[first + 3u * columns]),
                );
            }
            let a0 = unpack(a[r0 + k]);
            let a1 = unpack(a[r1 + k]);
            let a2 = unpack(a[r2 + k]);
            let a3 = unpack(a[r3 + k]);
            c0 += block * lower(a0);
            c1 += block * upper(a0);
            c2 += block * lower(a1);
            c3 += block * upper(a1);
            c4 += block * lower(a2);
            c5 += block * upper(a2);
            c6 += block * lower(a3);
            c7 += block * upper(a3);
        }
    }
    if column >= columns {
        return;
    }
    store_four(row, column, c0);
    store_four(row + 4u, column, c1);
    store_four(row + 8u, column, c2);
    store_four(row + 12u, column, c3);
    store_four(row + 16u, column, c4);
    store_four(row + 20u, column, c5);
    store_four(row + 24u, column, c6);
    store_four(row + 28u, column, c7);
}
