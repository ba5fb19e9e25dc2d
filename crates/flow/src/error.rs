//! What can go wrong on the way from noise to images.

/// Why no images came out; each prints as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum SampleError {
    /// What the device reported.
    #[error(transparent)]
    Device(#[from] runtime::Error),
    /// The steps of an adaptive solver got too short.
    #[error(
        "dopri5 has taken {steps} steps and is only at t = {time:.4} of 1; loosen --rtol or --atol, or take another --solver"
    )]
    TooManySteps {
        /// The steps tried.
        steps: usize,
        /// The time reached.
        time: f64,
    },
    /// An adaptive solver has no error to go by.
    #[error(
        "the error of a step at t = {time:.4} is no finite number; lower --guidance, or take other weights if it is not high"
    )]
    NotFinite {
        /// The start of the step.
        time: f64,
    },
}
