//! That burn computes what is meant, on small cases.

use anyhow::Result;
use burn::prelude::*;
use burn::tensor::module::attention;
use measure::reference::{self, compare, numbers};
use measure::sizes::{EPSILON, HEAD_DIM, TOKENS, WIDTH};

use crate::model::modulated;

/// Compares products, attention and layer norms with plain loops.
///
/// # Errors
/// When they differ, or the device fails.
pub fn check(device: &Device) -> Result<()> {
    let (m, k, n) = (65, 33, 20);
    let (a, b) = (numbers(m * k, 1), numbers(k * n, 2));
    let product = tensor([m, k], &a, device).matmul(tensor([k, n], &b, device));
    compare("product", &values(product)?, &reference::product(&a, &b, [m, k, n]))?;

    let size = TOKENS * HEAD_DIM;
    let [q, k, v] = [3, 4, 5].map(|seed| numbers(2 * size, seed));
    let [query, key, value] = [&q, &k, &v].map(|x| tensor([1, 2, TOKENS, HEAD_DIM], x, device));
    let attended = attention(query, key, value, None, None, Default::default());
    let heads = [0..size, size..2 * size]
        .map(|head| reference::attention(&q[head.clone()], &k[head.clone()], &v[head], [TOKENS, HEAD_DIM]));
    compare("attention", &values(attended)?, &heads.concat())?;

    let (batch, tokens) = (2, 3);
    let x = numbers(batch * tokens * WIDTH, 6);
    let [scale, shift] = [7, 8].map(|seed| numbers(batch * WIDTH, seed));
    let [scales, shifts] = [&scale, &shift].map(|x| tensor([batch, 1, WIDTH], x, device));
    let normed = modulated(tensor([batch, tokens, WIDTH], &x, device), Tensor::ones([WIDTH], device), scales, shifts);
    let expected = reference::layer_norm(&x, &scale, &shift, [tokens, WIDTH], EPSILON);
    compare("layer norm", &values(normed)?, &expected)
}

fn tensor<const D: usize>(shape: [usize; D], values: &[f32], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn values<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>> {
    Ok(tensor.try_into_data()?.try_to_vec::<f32>()?)
}
