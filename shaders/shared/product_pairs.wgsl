// What a matrix product is given that takes four floats at a time, as two pairs (shared/pairs.wgsl), and what it does with a
// product: as shared/product_quads.wgsl, with half of the loads and stores, and four rows at a time.

import package::shared::pairs::{pack, unpack};
import package::shared::product::{EPILOGUE, parameters};
import package::shared::product_quads::{gate_of, gelu_derivative_of, gelu_of};

@group(0) @binding(1) var<storage, read> a: array<vec2<u64>>;
@group(0) @binding(2) var<storage, read> b: array<vec2<u64>>;
@group(0) @binding(3) var<storage, read> bias: array<vec2<u64>>;
@group(0) @binding(4) var<storage, read> residual: array<vec2<u64>>;
@group(0) @binding(6) var<storage, read_write> out: array<vec2<u64>>;
@group(0) @binding(7) var<storage, read_write> saved: array<vec2<u64>>;

fn read_out(i: vec4u) -> mat4x4f {
    return mat4x4f(unpack(out[i.x]), unpack(out[i.y]), unpack(out[i.z]), unpack(out[i.w]));
}

fn read_residual(i: vec4u) -> mat4x4f {
    return mat4x4f(unpack(residual[i.x]), unpack(residual[i.y]), unpack(residual[i.z]), unpack(residual[i.w]));
}

fn write_out(i: vec4u, within: vec4<bool>, values: mat4x4f) {
    if within.x {
        out[i.x] = pack(values[0]);
    }
    if within.y {
        out[i.y] = pack(values[1]);
    }
    if within.z {
        out[i.z] = pack(values[2]);
    }
    if within.w {
        out[i.w] = pack(values[3]);
    }
}

fn write_saved(i: vec4u, within: vec4<bool>, values: mat4x4f) {
    if within.x {
        saved[i.x] = pack(values[0]);
    }
    if within.y {
        saved[i.y] = pack(values[1]);
    }
    if within.z {
        saved[i.z] = pack(values[2]);
    }
    if within.w {
        saved[i.w] = pack(values[3]);
    }
}

// Stores products of every `step`-th row from `row` on. What they need is read for all four first: a memory that is asked for
// one row after the other is waited for each time. `column` counts vec4s.
fn store_four(row: u32, step: u32, column: u32, products: mat4x4f) {
    let rows = row + step * vec4u(0u, 1u, 2u, 3u);
    let within = rows < vec4u(parameters.m);
    // Rows beyond the last are read as the last, and not stored.
    let existing = min(rows, vec4u(parameters.m - 1u));
    let i = existing * (parameters.n / 4u) + column;
    if EPILOGUE == 0u {
        write_out(i, within, products);
        return;
    }
    if EPILOGUE == 1u {
        write_out(i, within, read_out(i) + products);
        return;
    }
    if EPILOGUE == 5u {
        let x = read_residual(i);
        write_out(i, within, mat4x4f(
            products[0] * gelu_derivative_of(x[0]),
            products[1] * gelu_derivative_of(x[1]),
            products[2] * gelu_derivative_of(x[2]),
            products[3] * gelu_derivative_of(x[3]),
        ));
        return;
    }
    let biases = unpack(bias[column]);
    let values = products + mat4x4f(biases, biases, biases, biases);
    var results = values;
    if EPILOGUE == 3u {
        results = mat4x4f(gelu_of(values[0]), gelu_of(values[1]), gelu_of(values[2]), gelu_of(values[3]));
    } else if EPILOGUE == 4u {
        results = read_residual(i) + mat4x4f(
            gate_of(existing.x, column) * values[0],
            gate_of(existing.y, column) * values[1],
            gate_of(existing.z, column) * values[2],
            gate_of(existing.w, column) * values[3],
        );
    }
    if parameters.save != 0u {
        write_saved(i, within, values);
    }
    write_out(i, within, results);
}
