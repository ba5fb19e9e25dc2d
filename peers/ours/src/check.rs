//! That the kernels compute what is meant, on small cases, but large enough for the variants that are timed.

use anyhow::Result;
use kernels::{Epilogue, Heads, Layout, Sequence};
use measure::reference::{self, compare, numbers};
use measure::sizes::{EPSILON, HEAD_DIM, TOKENS, WIDTH};
use runtime::Buffer;

use crate::operations::{attention, layer_norm, product, weight_gradient};
use crate::shared::Shared;

/// Compares products, attention and layer norms with plain loops.
///
/// # Errors
/// When they differ, or the device fails.
pub fn check(stream: &Shared) -> Result<()> {
    let read = |buffer: &Buffer| stream.with(|stream| stream.read::<f32>(buffer));

    let (m, k, n) = (389, 48, 20);
    let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
    let [a_buffer, b_buffer] = [stream.upload(&a)?, stream.upload(&b)?];
    let got =
        stream.with(|stream| product(stream, [&a_buffer, &b_buffer], [m, k, n], Layout::Plain, Epilogue::Overwrite))?;
    compare("product", &read(&got)?, &reference::product(&a, &b, [m, k, n]))?;

    // Of a Linear from k to n columns: aᵀ · upstream, transposed, and the sums of upstream's columns.
    let upstream = numbers(m * n, 9);
    let transposed: Vec<f32> = (0..k * m).map(|i| a[i % m * k + i / m]).collect();
    let of_weight = reference::product(&transposed, &upstream, [k, m, n]);
    let mut expected: Vec<f32> = (0..n * k).map(|i| of_weight[i % k * n + i / k]).collect();
    expected.extend((0..n).map(|column| upstream.iter().skip(column).step_by(n).sum::<f32>()));
    let upstream = stream.upload(&upstream)?;
    let out = stream.with(|stream| weight_gradient(stream, &a_buffer, &upstream, [m, k, n]))?;
    compare("gradients of a weight and a bias", &read(&out)?, &expected)?;

    let heads = Heads { batch: 1, tokens: TOKENS, heads: 2, head_dim: HEAD_DIM };
    let size = TOKENS * HEAD_DIM;
    let qkv = [3, 4, 5].map(|seed| numbers(2 * size, seed));
    // From heads of tokens to tokens of queries, keys and values, each by heads.
    let row = |token: usize| {
        qkv.iter().flat_map(move |part| [0, size].map(|head| &part[head + token * HEAD_DIM..][..HEAD_DIM]))
    };
    let side_by_side: Vec<f32> = (0..TOKENS).flat_map(row).flatten().copied().collect();
    let side_by_side = stream.upload(&side_by_side)?;
    let (out, _) = stream.with(|stream| attention(stream, &side_by_side, heads))?;
    let expected = [0..size, size..2 * size].map(|head| {
        let [q, k, v] = qkv.each_ref().map(|part| &part[head.clone()]);
        reference::attention(q, k, v, [TOKENS, HEAD_DIM])
    });
    let row = |token: usize| expected.iter().flat_map(move |head| &head[token * HEAD_DIM..][..HEAD_DIM]);
    let expected: Vec<f32> = (0..TOKENS).flat_map(row).copied().collect();
    compare("attention", &read(&out)?, &expected)?;

    let (batch, tokens) = (2, 3);
    let x = numbers(batch * tokens * WIDTH, 6);
    let [scale, shift] = [7, 8].map(|seed| numbers(batch * WIDTH, seed));
    let row = |item: usize| [&shift, &scale].map(|part| &part[item * WIDTH..][..WIDTH]);
    let modulation: Vec<f32> = (0..batch).flat_map(row).flatten().copied().collect();
    let (x_buffer, modulation) = (stream.upload(&x)?, stream.upload(&modulation)?);
    let sequence = Sequence { batch, tokens, width: WIDTH, modulation_width: 2 * WIDTH };
    let (out, _) = stream.with(|stream| layer_norm(stream, &x_buffer, &modulation, sequence))?;
    compare("layer norm", &read(&out)?, &reference::layer_norm(&x, &scale, &shift, [tokens, WIDTH], EPSILON))
}
