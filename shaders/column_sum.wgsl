// Sums down the columns: out (+)= scale · Σ over rows of x. The gradient of a bias.
//
// Bindings: x (rows, columns), out (columns).
// Tiling: a workgroup takes 32 columns with 8 rows at a time, and adds the 8 partial sums through
// workgroup memory.
// Launch: ceil(columns / 32) workgroups of 32 × 8.

struct Parameters {
    rows: u32,
    columns: u32,
    scale: f32,
    accumulate: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

var<workgroup> partial: array<f32, 256>;

@compute @workgroup_size(32, 8)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_id) local: vec3u) {
    let column = id.x;
    let columns = parameters.columns;
    let len = parameters.rows * columns;
    var sum = 0.0;
    if column < columns {
        for (var i = local.y * columns + column; i < len; i += 8u * columns) {
            sum += x[i];
        }
    }
    partial[local.y * 32u + local.x] = sum;
    workgroupBarrier();
    if local.y == 0u && column < columns {
        for (var y = 1u; y < 8u; y++) {
            sum += partial[y * 32u + local.x];
        }
        if parameters.accumulate != 0u {
            out[column] += parameters.scale * sum;
        } else {
            out[column] = parameters.scale * sum;
        }
    }
}
