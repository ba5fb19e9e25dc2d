//! Flow matching with Gaussian paths (Lipman et al., 2210.02747): noise at t = 0, data at t = 1,
//! x_t = α_t · data + σ_t · noise, and a network that learns the velocity α'_t · data + σ'_t · noise. The usual path
//! is the straight one, where that is data − noise. docs/flow.md has the formulas of everything here.

mod adaptive;
mod error;
mod grid;
mod prediction;
mod sample;
mod sde;
mod solver;
mod times;
mod train;

pub use adaptive::Adaptive;
pub use autograd::AdamWOptions;
pub use dit::FlowPath;
pub use error::SampleError;
pub use prediction::Prediction;
pub use sample::{ALWAYS, SampleOptions, integrate, sample, sample_counting};
pub use sde::{Diffusion, LastStep, Sde, SdeSolver};
pub use solver::{Solver, Velocity};
pub use times::TimeSampling;
pub use train::{Images, StepRecord, TrainOptions, Training};
