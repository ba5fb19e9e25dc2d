//! A line of JSON for each thing measured.

use serde::{Deserialize, Serialize};

use crate::Operation;

/// What a peer prints of a thing that it measured.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// The peer's name and version.
    pub peer: String,
    /// Where it ran.
    pub adapter: String,
    /// What was measured.
    pub what: Operation,
    /// The sizes in words.
    pub shape: String,
    /// The median of `runs`.
    pub ms: f64,
    /// Milliseconds of each run.
    pub runs: Vec<f64>,
}

impl Report {
    /// A report of `runs`, in milliseconds.
    pub fn new(peer: &str, adapter: &str, what: Operation, runs: Vec<f64>) -> Self {
        Self { peer: peer.into(), adapter: adapter.into(), what, shape: what.shape(), ms: median(&runs), runs }
    }
}

/// The middle of the samples, or the mean of the two in the middle; NaN for none.
pub fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (len, middle) if len % 2 == 1 => sorted[middle],
        (_, middle) => 0.5 * (sorted[middle - 1] + sorted[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
