// Matrix product of operands rounded to 16 bits, accumulated in 32, by the matrix units of the adapter:
// same contract and bindings as matmul.wgsl, whose operands are f32 in memory here too. Needs
// 16-bit floats, subgroups, and cooperative matrices of 8 × 8 f16 that add up in f32; the file for
// the other size differs in their type alone; what depends on no type is in shared/cooperative.wgsl. An operand
// beyond ±65504 is taken for an infinity.
//
// Tiling: a workgroup of 128 makes a tile of 4 × 4 matrices of out, a subgroup a block of 2 × 2 of them
// in four named accumulators, in as many rounds as there are too few subgroups for four blocks. A step
// rounds 32 of k into workgroup memory, zeros beyond the ends. What is made goes through workgroup
// memory to the epilogue, a matrix of each block at a time.
// Launch: (ceil(n / 32), ceil(m / 32)) workgroups.

import package::shared::cooperative::{
    BLOCKS, INVOCATIONS, SIZE, STEP, STRIDE_A, load_tiles, products, store_products, stride_b, tile, tile_a, tile_b,
};
import package::shared::product::parameters;

enable f16;
enable wgpu_cooperative_matrix;

alias Left = coop_mat8x8<f16, A>;
alias Right = coop_mat8x8<f16, B>;
alias Sum = coop_mat8x8<f32, C>;

@compute @workgroup_size(128)
fn main(
    @builtin(workgroup_id) group: vec3u,
    @builtin(local_invocation_index) lane: u32,
    @builtin(subgroup_size) width: u32,
) {
    // Subgroups smaller than they say share a number, and make the same twice.
    let subgroup = lane / width;
    let subgroups = INVOCATIONS / width;
    let first_row = group.y * tile();
    let first_column = group.x * tile();
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
                let b0 = coopLoadT<Right>(&tile_b[k * stride_b() + left], stride_b());
                let b1 = coopLoadT<Right>(&tile_b[k * stride_b() + right], stride_b());
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
