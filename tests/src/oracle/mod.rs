//! Every kernel once more, naive and in f64. Both bodies of a kernel answer to its oracle.
//!
//! Inputs are the words that the kernel gets; results are f64, or integers where they are exact.
//! Where a kernel adds to what is in its output, the test adds.

pub mod classification;
pub mod embeddings;
pub mod flow;
pub mod network;
pub mod optimiser;
pub mod randomness;

/// The values as f64.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|value| f64::from(*value)).collect()
}

/// The values rounded to f32.
pub fn narrow(values: &[f64]) -> Vec<f32> {
    values.iter().map(|value| *value as f32).collect()
}

/// The sum of two arrays, element by element: what an accumulating kernel leaves.
pub fn sum(a: &[f32], b: &[f64]) -> Vec<f64> {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| f64::from(*a) + b).collect()
}
