//! Flow matching with Gaussian paths (Lipman et al., 2210.02747): noise at t = 0, data at t = 1,
//! x_t = α_t · data + σ_t · noise, and a network that learns the velocity α'_t · data + σ'_t · noise. The usual path
//! is the straight one, where that is data − noise. docs/flow.md has the formulas of everything here.
//!
//! [`Training`] makes steps, [`sample`] draws:
//!
//! ```
//! use dit::{Config, Dit, FlowPath, Variant};
//! use flow::{Images, SampleOptions, TrainOptions, Training, sample};
//! use runtime::{Device, DeviceOptions};
//!
//! let mut stream = Device::open(&DeviceOptions::cpu())?.stream()?;
//! // Two classes of 4 × 4 images: dark ones and bright ones.
//! let values: Vec<u8> = (0..64).flat_map(|image| [if image % 2 == 0 { 40 } else { 220 }; 16]).collect();
//! let labels: Vec<u8> = (0..64).map(|image| image % 2).collect();
//! let images = Images::upload(&mut stream, &values, &labels)?;
//!
//! let (side, channels, classes, time_scale) = (4, 1, 2, 1000.0);
//! let (path, variant) = (FlowPath::CondOt, Variant::DIT);
//! let config = Config { side, channels, patch: 2, width: 16, depth: 1, heads: 1, classes, time_scale, path, variant };
//! let model = Dit::new(&mut stream, config, 0)?;
//! let options = TrainOptions { batch: 32, ..TrainOptions::default() };
//! let mut training = Training::new(&mut stream, model, images, options)?;
//! for _ in 0..20 {
//!     for _ in 0..20 {
//!         training.step(&mut stream, 5e-3)?;
//!     }
//!     let records = training.read_log(&mut stream)?; // nothing is read back before it is asked for
//!     println!("step {}: loss {}", records[19].step, records[19].loss);
//! }
//!
//! let drawn = sample(&mut stream, &training.averaged_model(), &[0, 1], &SampleOptions::default(), |_| {})?;
//! let mean = |image: &[f32]| image.iter().sum::<f32>() / 16.0;
//! assert!(mean(&drawn[..16]) < 0.0 && mean(&drawn[16..]) > 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The whole step and the whole way run on the device; [`Training::read_log`] and [`sample`] wait for it.
//! Every random number is a function of the seed, the step and the place, so that a run repeats itself.

mod adaptive;
mod error;
mod grid;
mod held_out;
mod names;
mod prediction;
mod sample;
mod sde;
mod solver;
mod times;
mod train;
mod trajectory;

pub use adaptive::Adaptive;
pub use autograd::AdamWOptions;
pub use dit::FlowPath;
pub use error::SampleError;
pub use held_out::{TIME_BINS, loss_by_time};
pub use prediction::Prediction;
pub use sample::{
    ALWAYS, SampleOptions, first_noise, integrate, integrate_watched, noise, sample, sample_counting, sample_from,
};
pub use sde::{Diffusion, LastStep, Sde, SdeSolver};
pub use solver::{Solver, Velocity};
pub use times::TimeSampling;
pub use train::{Images, StepRecord, TrainOptions, Training};
pub use trajectory::{Moment, trajectory};
