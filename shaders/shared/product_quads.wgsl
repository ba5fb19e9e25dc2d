// What matrix products are given that take four floats at a time, and what they do with a product: shared/product.wgsl, with
// rows of vec4s. Needs n to be a multiple of 4, and k too (m where A_TRANSPOSED).
//
// Bindings: those of shared/product.wgsl; modulation is of scalars, because the gate's column need not be a multiple of 4.

import package::shared::gelu::{gelu, gelu_derivative};
import package::shared::product::{EPILOGUE, modulation, parameters};

@group(0) @binding(1) var<storage, read> a: array<vec4f>;
@group(0) @binding(2) var<storage, read> b: array<vec4f>;
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;
@group(0) @binding(4) var<storage, read> residual: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4f>;
@group(0) @binding(7) var<storage, read_write> saved: array<vec4f>;

fn gelu_of(x: vec4f) -> vec4f {
    return vec4f(gelu(x.x), gelu(x.y), gelu(x.z), gelu(x.w));
}

fn gelu_derivative_of(x: vec4f) -> vec4f {
    return vec4f(gelu_derivative(x.x), gelu_derivative(x.y), gelu_derivative(x.z), gelu_derivative(x.w));
}

// The gates of a row, for four columns.
fn gate_of(row: u32, column: u32) -> vec4f {
    let first = row / parameters.tokens * parameters.modulation_width + parameters.gate + column * 4u;
    return vec4f(modulation[first], modulation[first + 1u], modulation[first + 2u], modulation[first + 3u]);
}

// `column` counts vec4s.
fn store(row: u32, column: u32, product: vec4f) {
    if row >= parameters.m {
        return;
    }
    let i = row * (parameters.n / 4u) + column;
    if EPILOGUE == 0u {
        out[i] = product;
        return;
    }
    if EPILOGUE == 1u {
        out[i] += product;
        return;
    }
    if EPILOGUE == 5u {
        out[i] = product * gelu_derivative_of(residual[i]);
        return;
    }
    let value = product + bias[column];
    if parameters.save != 0u {
        saved[i] = value;
    }
    if EPILOGUE == 2u {
        out[i] = value;
    } else if EPILOGUE == 3u {
        out[i] = gelu_of(value);
    } else {
        out[i] = residual[i] + gate_of(row, column) * value;
    }
}
