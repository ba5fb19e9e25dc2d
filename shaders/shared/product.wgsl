// What every matrix product with a fused epilogue is given, and what it does with a product: out = epilogue(A · B), out is
// (m, n).
//
// Bindings
//   a           (m, k), or (k, m) where A_TRANSPOSED
//   b           (k, n), or (n, k) where B_TRANSPOSED, as the weights of a Linear are
//   bias        (n)
//   residual    (m, n); what GELU was given, where its gradient is taken
//   modulation  (m / tokens, modulation_width); the gate of a row's item starts at column `gate`
//   out         (m, n)
//   saved       (m, n): what the backward pass needs, A · B + bias
// An epilogue binds something harmless where it needs nothing.
// Kernels that take four floats at a time have theirs in shared/product_quads.wgsl, or in shared/product_pairs.wgsl.

import package::shared::gelu::{gelu, gelu_derivative};

struct Parameters {
    m: u32,
    n: u32,
    k: u32,
    tokens: u32,
    modulation_width: u32,
    gate: u32,
    save: u32,
}

override A_TRANSPOSED: bool = false;
override B_TRANSPOSED: bool = false;
// 0: A · B, 1: out + A · B, 2: + bias, 3: gelu(+ bias), 4: residual + gate ⊙ (+ bias), 5: A · B ⊙ gelu'(residual)
override EPILOGUE: u32 = 0u;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> a: array<f32>;
@group(0) @binding(2) var<storage, read> b: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<f32>;
@group(0) @binding(5) var<storage, read> modulation: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<storage, read_write> saved: array<f32>;

fn store(row: u32, column: u32, product: f32) {
    if row >= parameters.m || column >= parameters.n {
        return;
    }
    let i = row * parameters.n + column;
    if EPILOGUE == 0u {
        out[i] = product;
        return;
    }
    if EPILOGUE == 1u {
        out[i] += product;
        return;
    }
    if EPILOGUE == 5u {
        out[i] = product * gelu_derivative(residual[i]);
        return;
    }
    let value = product + bias[column];
    if parameters.save != 0u {
        saved[i] = value;
    }
    if EPILOGUE == 2u {
        out[i] = value;
    } else if EPILOGUE == 3u {
        out[i] = gelu(value);
    } else {
        let item = row / parameters.tokens;
        let gate = modulation[item * parameters.modulation_width + parameters.gate + column];
        out[i] = residual[i] + gate * value;
    }
}
