//! What classifiers add: pooling and cross-entropy.

use super::wide;

/// Softmax of a row of logits, and its log Σ exp.
fn softmax(logits: &[f32]) -> (Vec<f64>, f64) {
    let logits = wide(logits);
    let highest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log_sum = highest + logits.iter().map(|logit| (logit - highest).exp()).sum::<f64>().ln();
    (logits.iter().map(|logit| (logit - log_sum).exp()).collect(), log_sum)
}

/// log Σ exp(logits) − `logits[label]` of each row; NaN for a label that is no class.
pub fn cross_entropy(logits: &[f32], labels: &[u32], classes: usize) -> Vec<f64> {
    let rows = logits.chunks(classes).zip(labels);
    rows.map(|(row, label)| row.get(*label as usize).map_or(f64::NAN, |of| softmax(row).1 - f64::from(*of))).collect()
}

/// The gradient of the mean of [`cross_entropy`], times `upstream`.
pub fn cross_entropy_backward(logits: &[f32], labels: &[u32], upstream: f32, classes: usize) -> Vec<f64> {
    let scale = f64::from(upstream) / labels.len() as f64;
    let gradient = |(row, label): (&[f32], &u32)| {
        let known = if (*label as usize) < classes { scale } else { f64::NAN };
        let probabilities = softmax(row).0.into_iter().enumerate();
        let wanted = |class| f64::from(u8::from(class == *label as usize));
        probabilities.map(|(class, p)| known * (p - wanted(class))).collect::<Vec<_>>()
    };
    logits.chunks(classes).zip(labels).flat_map(gradient).collect()
}

/// The mean over the tokens of each item of x (B · T, D).
pub fn mean_pool(x: &[f32], tokens: usize, width: usize) -> Vec<f64> {
    let mean = |item: &[f32], column: usize| {
        item.iter().skip(column).step_by(width).map(|x| f64::from(*x)).sum::<f64>() / tokens as f64
    };
    x.chunks(tokens * width).flat_map(|item| (0..width).map(move |column| mean(item, column))).collect()
}

/// The gradient of [`mean_pool`] in x.
pub fn mean_pool_backward(upstream: &[f32], tokens: usize, width: usize) -> Vec<f64> {
    let items = upstream.chunks(width).flat_map(|item| std::iter::repeat_n(item, tokens));
    items.flatten().map(|upstream| f64::from(*upstream) / tokens as f64).collect()
}
