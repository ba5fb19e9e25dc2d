// What attention and its gradient share: tiles of 32 tokens × 8 vec4s of a head in workgroup memory, and products of them.

const TILE: u32 = 32u;
const CHUNK: u32 = 8u;

// Where the i-th of eight vec4s of a row of a tile lies. The exclusive or spreads what neighbouring invocations write at once
// over the banks of the memory; rows that are 8 apart it leaves 8 apart.
fn place(i: u32, row: u32) -> u32 {
    return i * TILE + (row ^ i);
}

// sums + rows · columns, 4 × 4 each; a column of `sums` and of `rows` for each row.
fn add_products(sums: mat4x4f, rows: mat4x4f, columns: mat4x4f) -> mat4x4f {
    return mat4x4f(
        add_row(sums[0], rows[0], columns),
        add_row(sums[1], rows[1], columns),
        add_row(sums[2], rows[2], columns),
        add_row(sums[3], rows[3], columns),
    );
}

fn add_row(sums: vec4f, row: vec4f, columns: mat4x4f) -> vec4f {
    return sums + row.x * columns[0] + row.y * columns[1] + row.z * columns[2] + row.w * columns[3];
}
