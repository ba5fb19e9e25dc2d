//! Plain loops on a small case, for a peer to compute too before it is timed.

use anyhow::{Result, ensure};

/// Numbers between −1 and 1 that look random, other ones for another `seed`.
pub fn numbers(len: usize, seed: u32) -> Vec<f32> {
    (0..len as u32).map(|index| (index as f32 * 0.7548 + seed as f32 * 1.3247).sin()).collect()
}

/// `a · b` of rows: `a` is m × k, `b` is k × n.
pub fn product(a: &[f32], b: &[f32], [m, k, n]: [usize; 3]) -> Vec<f32> {
    let element = |row: usize, column: usize| (0..k).map(|i| a[row * k + i] * b[i * n + column]).sum();
    (0..m * n).map(|index| element(index / n, index % n)).collect()
}

/// `softmax(q · kᵀ / √d) · v` of one head: each is tokens × d.
pub fn attention(q: &[f32], k: &[f32], v: &[f32], [tokens, d]: [usize; 2]) -> Vec<f32> {
    let mut out = vec![0.0; tokens * d];
    for (query, out) in q.chunks(d).zip(out.chunks_mut(d)) {
        let score = |key: &[f32]| query.iter().zip(key).map(|(q, k)| q * k).sum::<f32>() / (d as f32).sqrt();
        let weights: Vec<f32> = k.chunks(d).map(|key| score(key).exp()).collect();
        let total: f32 = weights.iter().sum();
        for (weight, value) in weights.iter().zip(v.chunks(d)) {
            out.iter_mut().zip(value).for_each(|(out, value)| *out += weight / total * value);
        }
    }
    out
}

/// `norm(x) · (1 + scale) + shift` of each row; `scale` and `shift` are those of its item of `tokens` rows.
pub fn layer_norm(x: &[f32], scale: &[f32], shift: &[f32], [tokens, width]: [usize; 2], epsilon: f32) -> Vec<f32> {
    let row = |(index, row): (usize, &[f32])| -> Vec<f32> {
        let mean = row.iter().sum::<f32>() / width as f32;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / width as f32;
        let item = index / tokens * width;
        let modulated = |(column, x): (usize, &f32)| {
            (x - mean) / (variance + epsilon).sqrt() * (1.0 + scale[item + column]) + shift[item + column]
        };
        row.iter().enumerate().map(modulated).collect()
    };
    x.chunks(width).enumerate().flat_map(row).collect()
}

/// Checks that a peer has the reference's numbers.
///
/// # Errors
/// When it has not.
pub fn compare(what: &str, got: &[f32], expected: &[f32]) -> Result<()> {
    ensure!(got.len() == expected.len(), "{what}: {} numbers where there should be {}", got.len(), expected.len());
    let differs = |(got, expected): &(&f32, &f32)| {
        let close = (*got - *expected).abs() <= 1e-3 * (1.0 + expected.abs());
        !close
    };
    if let Some((got, expected)) = got.iter().zip(expected).find(differs) {
        anyhow::bail!("{what}: {got} where it should be {expected}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_of_rows_and_columns() {
        assert_eq!(product(&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0], [1, 2, 2]), [13.0, 16.0]);
    }

    #[test]
    fn equal_keys_average_the_values() -> Result<()> {
        let out = attention(&[1.0, 2.0], &[1.0, 1.0], &[2.0, 4.0], [2, 1]);
        compare("attention", &out, &[3.0, 3.0])
    }

    #[test]
    fn a_normalised_row_is_modulated() -> Result<()> {
        compare("norm", &layer_norm(&[1.0, 3.0], &[1.0, 0.0], &[0.0, 5.0], [1, 2], 0.0), &[-2.0, 6.0])
    }

    #[test]
    fn what_is_no_number_is_different() {
        assert!(compare("NaN", &[f32::NAN], &[1.0]).is_err());
    }
}
