//! Every kernel, on every device, against its f64 oracle.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod activations;
mod arithmetic;
mod attention;
mod classification;
mod embeddings;
mod feed_forward;
mod flow;
mod known_answers;
mod limits;
mod linear;
mod normalisation;
mod optimiser;
mod presets;
mod product;
mod random;
mod randomness;
mod reading;
mod refusals;
mod registry;
mod statistics;
mod trial;
mod tuning;

/// One more element than a row of workgroups of 64 takes: the launch is folded into two rows, and
/// a shader that unfolds it wrongly is found out.
const FOLDED: usize = 65_535 * 64 + 77;

/// Lengths for element-wise kernels: one, odd, prime, around multiples of 4 and 64.
const LENGTHS: [usize; 9] = [1, 3, 4, 63, 64, 65, 1021, 3 * 49 * 128, FOLDED];
