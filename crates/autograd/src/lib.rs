//! Reverse-mode differentiation over the kernels.
//!
//! A [`Tape`] runs operations as they are called and remembers how to go back; [`Tape::backward`]
//! walks it in reverse and leaves the gradient of every parameter in one arena, which
//! [`Optimizer::step`] applies. Each operation is one file of `operations`, its forward above its
//! backward.
//!
//! A linear layer learns y = 3 a − b, all of it on the device:
//!
//! ```
//! use autograd::{Activation, AdamWOptions, Gradients, Optimizer, ParameterSpec, Parameters, Tape, Variable};
//! use runtime::{Device, DeviceOptions};
//!
//! let mut stream = Device::open(&DeviceOptions::cpu())?.stream()?;
//! let spec = |name: &str, shape: &[usize]| ParameterSpec { name: name.into(), shape: shape.into() };
//! let specs = vec![spec("weight", &[1, 2]), spec("bias", &[1])];
//! let parameters = Parameters::new(&mut stream, specs, &[vec![0.0; 2], vec![0.0]])?;
//! let linear = ["weight", "bias"].map(|name| parameters.named(name));
//! let mut gradients = Gradients::new(&mut stream, &parameters)?;
//! let mut optimizer = Optimizer::new(&mut stream, &parameters, AdamWOptions::default())?;
//!
//! let x = Variable::constant(stream.upload(&[1.0f32, 0.0, 0.0, 1.0, 1.0, 1.0])?, 3, 2);
//! let wanted = stream.upload(&[3.0f32, -1.0, 2.0])?;
//! let (loss, clip) = (stream.allocate(1)?, stream.allocate(2)?);
//! for _ in 0..300 {
//!     let mut tape = Tape::training(&mut stream, &parameters, &mut gradients);
//!     let y = tape.linear(&x, linear, Activation::Identity)?;
//!     let error = tape.mean_squared_error(&y, &wanted, &loss)?;
//!     tape.backward(&error)?;
//!     optimizer.step(&mut stream, &parameters, &gradients, 0.05, &clip)?;
//! }
//! assert!(stream.read::<f32>(&loss)?[0] < 1e-3);
//! # Ok::<(), runtime::Error>(())
//! ```
//!
//! [`Tape::inference`] runs the same operations and remembers nothing.

mod operations;
mod optimizer;
mod parameters;
mod tape;

pub use operations::Activation;
pub use optimizer::{AdamWOptions, Optimizer};
pub use parameters::{Gradients, Parameter, ParameterSpec, Parameters};
pub use tape::{Tape, Variable};
