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

// Stores what an epilogue made of a product, and, where it is to be saved, what it started from.
fn write(i: u32, value: vec4f, result: vec4f) {
    if EPILOGUE >= 2u && EPILOGUE <= 4u && parameters.save != 0u {
        saved[i] = pack(value);
    }
    out[i] = pack(result);
}

// Stores products of every `step`-th row from `row` on. What they need is read for all four first: a memory that is asked for
// one row after the other is waited for each time. `column` counts vec4s.
fn store_four(row: u32, step: u32, column: u32, products: mat4x4f) {
    let rows = row + step * vec4u(0u, 1u, 2u, 3u);
    // Rows beyond the last are read as the last, and not stored.
    let existing = min(rows, vec4u(parameters.m - 1u));
    let i = existing * (parameters.n / 4u) + column;
    var values = products;
    if EPILOGUE >= 2u && EPILOGUE <= 4u {
        let biases = unpack(bias[column]);
        values += mat4x4f(biases, biases, biases, biases);
    }
    var results = values;
    if EPILOGUE == 1u {
        results += read_out(i);
    } else if EPILOGUE == 3u {
        results = mat4x4f(gelu_of(values[0]), gelu_of(values[1]), gelu_of(values[2]), gelu_of(values[3]));
    } else if EPILOGUE == 4u {
        results = read_residual(i) + mat4x4f(
            gate_of(existing.x, column) * values[0],
            gate_of(existing.y, column) * values[1],
            gate_of(existing.z, column) * values[2],
            gate_of(existing.w, column) * values[3],
        );
    } else if EPILOGUE == 5u {
        let x = read_residual(i);
        results = mat4x4f(
            values[0] * gelu_derivative_of(x[0]),
            values[1] * gelu_derivative_of(x[1]),
            values[2] * gelu_derivative_of(x[2]),
            values[3] * gelu_derivative_of(x[3]),
        );
    }
    let within = rows < vec4u(parameters.m);
    if within.x {
        write(i.x, values[0], results[0]);
    }
    if within.y {
        write(i.y, values[1], results[1]);
    }
    if within.z {
        write(i.z, values[2], results[2]);
    }
    if within.w {
        write(i.w, values[3], results[3]);
    }
}
