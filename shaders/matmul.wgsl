// Matrix product with a fused epilogue: out = epilogue(A · B), out is (m, n). For every adapter.
//
// Bindings: those of shared/product.wgsl, which has the epilogue too.
//
// Tiling: a workgroup of 16 × 16 makes a 64 × 64 tile of out, an invocation 4 × 4 of it in four
// named vec4 accumulators. A step takes 16 of k through workgroup memory (8 KiB), both tiles laid
// out with k outermost, so that the inner loop reads two vec4 for sixteen multiply-adds.
// Launch: (ceil(n / 64), ceil(m / 64)) workgroups.

import package::shared::product::{A_TRANSPOSED, B_TRANSPOSED, a, b, parameters, store};

// Element [i * 16 + j] holds rows (columns) 4j .. 4j+3 of the tile for the i-th k.
var<workgroup> tile_a: array<vec4f, 256>;
var<workgroup> tile_b: array<vec4f, 256>;

fn load_a(row: u32, k: u32) -> f32 {
    if row >= parameters.m || k >= parameters.k {
        return 0.0;
    }
    return a[select(row * parameters.k + k, k * parameters.m + row, A_TRANSPOSED)];
}

fn load_b(k: u32, column: u32) -> f32 {
    if column >= parameters.n || k >= parameters.k {
        return 0.0;
    }
    return b[select(k * parameters.n + column, column * parameters.k + k, B_TRANSPOSED)];
}

fn store_row(row: u32, column: u32, products: vec4f) {
    store(row, column, products.x);
    store(row, column + 1u, products.y);
    store(row, column + 2u, products.z);
    store(row, column + 3u, products.w);
}

@compute @workgroup_size(16, 16)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_id) local: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let first_row = group.y * 64u;
    let first_column = group.x * 64u;
    // Neighbouring invocations load neighbouring words: along k where k is contiguous.
    let slow = lane / 16u;
    let fast = lane % 16u;
    let a_k = select(fast, slow, A_TRANSPOSED);
    let a_row = select(slow, fast, A_TRANSPOSED);
    let b_k = select(slow, fast, B_TRANSPOSED);
    let b_column = select(fast, slow, B_TRANSPOSED);

    var c0 = vec4f();
    var c1 = vec4f();
    var c2 = vec4f();
    var c3 = vec4f();
    for (var first_k = 0u; first_k < parameters.k; first_k += 16u) {
        let row = first_row + a_row * 4u;
        let column = first_column + b_column * 4u;
        let ka = first_k + a_k;
        let kb = first_k + b_k;
        tile_a[a_k * 16u + a_row] =
            vec4f(load_a(row, ka), load_a(row + 1u, ka), load_a(row + 2u, ka), load_a(row + 3u, ka));
        tile_b[b_k * 16u + b_column] =
            vec4f(load_b(kb, column), load_b(kb, column + 1u), load_b(kb, column + 2u), load_b(kb, column + 3u));
        workgroupBarrier();
        for (var k = 0u; k < 16u; k++) {
            let rows = tile_a[k * 16u + local.y];
            let columns = tile_b[k * 16u + local.x];
            c0 += rows.x * columns;
            c1 += rows.y * columns;
            c2 += rows.z * columns;
            c3 += rows.w * columns;
        }
        workgroupBarrier();
    }
    let row = first_row + local.y * 4u;
    let column = first_column + local.x * 4u;
    store_row(row, column, c0);
    store_row(row + 1u, column, c1);
    store_row(row + 2u, column, c2);
    store_row(row + 3u, column, c3);
}
