//! Flow matching with the Gaussian CondOT path (Lipman et al., 2210.02747): noise at t = 0, data at
//! t = 1, x_t = t · data + (1 − t) · noise, and a network that learns the velocity data − noise.

mod grid;
mod sample;
mod solver;
mod times;
mod train;

pub use autograd::AdamWOptions;
pub use sample::{ALWAYS, SampleOptions, integrate, sample};
pub use solver::{Solver, Velocity};
pub use times::TimeSampling;
pub use train::{Images, StepRecord, TrainOptions, Training};
