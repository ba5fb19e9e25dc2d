// Matrix product with a fused epilogue, for adapters that run on a CPU: same contract and bindings
// as matmul.wgsl, but without workgroup memory, whose barriers such adapters pay dearly for.
// Needs n to be a multiple of 4, and k too (m where A_TRANSPOSED): rows are read as vec4.
//
// Tiling: an invocation makes 8 rows × 4 columns of out in eight named vec4 accumulators; lanes lie
// along the columns, so that they share their rows of A.
// Launch: (ceil(n / 32), ceil(m / 64)) workgroups of 8 × 8.

import package::shared::product::{A_TRANSPOSED, B_TRANSPOSED, parameters};
import package::shared::product_quads::{a, b, store};

@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
    let column = id.x;
    let row = id.y * 8u;
    let columns = parameters.n / 4u;
    if column >= columns || row >= parameters.m {
        return;
    }
    var c0 = vec4f();
    var c1 = vec4f();
    var c2 = vec4f();
    var c3 = vec4f();
    var c4 = vec4f();
    var c5 = vec4f();
    var c6 = vec4f();
    var c7 = vec4f();
    if A_TRANSPOSED {
        // a is (k, m): a vec4 holds four rows of A for one k.
        let stride = parameters.m / 4u;
        let low = row / 4u;
        let high = min(low + 1u, stride - 1u);
        for (var k = 0u; k < parameters.k; k++) {
            let right = b[k * columns + column];
            let upper = a[k * stride + low];
            let lower = a[k * stride + high];
            c0 += upper.x * right;
            c1 += upper.y * right;
            c2 += upper.z * right;
            c3 += upper.w * right;
            c4 += lower.x * right;
            c5 += lower.y * right;
            c6 += lower.z * right;
            c7 += lower.w * right;
        }
    } else {
        // Rows beyond the last are read as the last, and not stored.
        let stride = parameters.k / 4u;
        let last = parameters.m - 1u;
        let r0 = row * stride;
        let r1 = min(row + 1u, last) * stride;
        let r2 = min(row + 2u, last) * stride;
        let r3 = min(row + 3u, last) * stride;
        let r4 = min(row + 4u, last) * stride;
        let r5 = min(row + 5u, last) * stride;
        let r6 = min(row + 6u, last) * stride;
        let r7 = min(row + 7u, last) * stride;
        for (var k = 0u; k < stride; k++) {
            // Column i of `block` is what the i-th of four k multiplies.
            var block: mat4x4f;
            if B_TRANSPOSED {
                let first = column * 4u * stride + k;
                block = transpose(mat4x4f(b[first], b[first + stride], b[first + 2u * stride], b[first + 3u * stride]));
            } else {
                let first = k * 4u * columns + column;
                block = mat4x4f(b[first], b[first + columns], b[first + 2u * columns], b[first + 3u * columns]);
            }
            c0 += block * a[r0 + k];
            c1 += block * a[r1 + k];
            c2 += block * a[r2 + k];
            c3 += block * a[r3 + k];
            c4 += block * a[r4 + k];
            c5 += block * a[r5 + k];
            c6 += block * a[r6 + k];
            c7 += block * a[r7 + k];
        }
    }
    store(row, column, c0);
    store(row + 1u, column, c1);
    store(row + 2u, column, c2);
    store(row + 3u, column, c3);
    store(row + 4u, column, c4);
    store(row + 5u, column, c5);
    store(row + 6u, column, c6);
    store(row + 7u, column, c7);
}
