//! Stochastic ways from noise to images: dx = (v + D · s) dt + √(2 D) dW, with the score s, leads through the same
//! distributions as dx = v dt whatever the diffusion D(t) is (SiT: Ma et al., 2401.08740, section 2.3).

use std::f64::consts::PI;
use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use kernels::{Coefficients, Euler, FlowPath};
use runtime::{Buffer, Result, Stream};

use crate::names::named;
use crate::solver::Velocity;
use crate::{Prediction, grid::Grid};

/// How much noise is added at a time: SiT's forms of the diffusion D, with a norm n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Diffusion {
    /// n.
    Constant,
    /// n · (σ² · α' / α − σ · σ'), that of score-based generative modelling; infinite where α is 0.
    Sbdm,
    /// n · σ.
    Sigma,
    /// n · (1 − t).
    Linear,
    /// (n · cos πt + 1)² / 4.
    Decreasing,
    /// n · sin² πt.
    IncreasingDecreasing,
}

impl Diffusion {
    /// Every form.
    pub const ALL: [Self; 6] =
        [Self::Constant, Self::Sbdm, Self::Sigma, Self::Linear, Self::Decreasing, Self::IncreasingDecreasing];

    /// The name that [`Diffusion::from_str`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Constant => "constant",
            Self::Sbdm => "sbdm",
            Self::Sigma => "sigma",
            Self::Linear => "linear",
            Self::Decreasing => "decreasing",
            Self::IncreasingDecreasing => "increasing-decreasing",
        }
    }

    /// D at a time.
    pub fn at(self, path: FlowPath, norm: f64, time: f64) -> f64 {
        let Coefficients { alpha, sigma, alpha_rate, sigma_rate } = path.at(time);
        match self {
            Self::Constant => norm,
            Self::Sbdm => norm * (sigma * sigma * alpha_rate / alpha - sigma * sigma_rate),
            Self::Sigma => norm * sigma,
            Self::Linear => norm * (1.0 - time),
            Self::Decreasing => 0.25 * (norm * (PI * time).cos() + 1.0).powi(2),
            Self::IncreasingDecreasing => norm * (PI * time).sin().powi(2),
        }
    }
}

impl FromStr for Diffusion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(text, &Self::ALL, "diffusion", Self::name)
    }
}

impl fmt::Display for Diffusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a stochastic step is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SdeSolver {
    /// Euler and Maruyama's: drift and noise as they are at the start of the step; one evaluation.
    #[default]
    EulerMaruyama,
    /// The noise first, then Heun's method along the drift; two evaluations.
    Heun,
}

impl SdeSolver {
    /// Every solver.
    pub const ALL: [Self; 2] = [Self::EulerMaruyama, Self::Heun];

    /// The name that [`SdeSolver::from_str`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::EulerMaruyama => "euler",
            Self::Heun => "heun",
        }
    }
}

impl FromStr for SdeSolver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(text, &Self::ALL, "stochastic solver", Self::name)
    }
}

impl fmt::Display for SdeSolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the last step, which must leave no noise, is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LastStep {
    /// A step along v + D · s, without noise.
    #[default]
    Mean,
    /// To the mean of the data that may have led here.
    Tweedie,
    /// A step along v.
    Euler,
    /// None: the noise of t = 0.999 stays.
    None,
}

impl LastStep {
    /// Every last step.
    pub const ALL: [Self; 4] = [Self::Mean, Self::Tweedie, Self::Euler, Self::None];

    /// The name that [`LastStep::from_str`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Tweedie => "tweedie",
            Self::Euler => "euler",
            Self::None => "none",
        }
    }
}

impl FromStr for LastStep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(text, &Self::ALL, "last step", Self::name)
    }
}

impl fmt::Display for LastStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Stochastic sampling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sde {
    /// How much noise is added when.
    pub diffusion: Diffusion,
    /// What the form of the diffusion calls n.
    pub norm: f32,
    /// How a step is taken.
    pub solver: SdeSolver,
    /// How the last step is taken.
    pub last: LastStep,
    /// The length of the last step, between 0 and 1.
    pub last_size: f32,
}

impl Default for Sde {
    /// As SiT has it: σ, Euler and Maruyama's steps, and a last step of 0.04 along the drift.
    fn default() -> Self {
        Self {
            diffusion: Diffusion::Sigma,
            norm: 1.0,
            solver: SdeSolver::EulerMaruyama,
            last: LastStep::Mean,
            last_size: 0.04,
        }
    }
}

/// How far from an end where D or the score is infinite the steps stay.
const MARGIN: f64 = 1e-3;

impl Sde {
    /// The times between which `steps` steps are taken, moved by a shift as [`crate::SampleOptions::time_shift`]
    /// says; the last step goes from the last of them to 1.
    pub fn times(self, steps: usize, shift: f32) -> Vec<f64> {
        let first = if self.diffusion == Diffusion::Sbdm { MARGIN } else { 0.0 };
        let (noisy, rest) = match self.last {
            LastStep::None => (steps, MARGIN),
            _ => (steps - 1, f64::from(self.last_size)),
        };
        if noisy == 0 {
            return vec![1.0 - rest];
        }
        let grid = Grid::new(noisy, shift);
        (0..=noisy).map(|index| first + (1.0 - rest - first) * grid.time(index)).collect()
    }

    /// Takes `x` in place through a step with noise. `velocity` gives v at a point and a time, and `noise` is as many
    /// standard normal numbers as x has elements.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`] where one of these is of another size than x, and what `velocity` and the device
    /// report.
    pub fn step(
        self,
        stream: &mut Stream,
        path: FlowPath,
        x: &Buffer,
        times: Range<f64>,
        noise: &Buffer,
        mut velocity: impl FnMut(&mut Stream, &Buffer, f32) -> Result<Velocity>,
    ) -> Result<()> {
        let Range { start: time, end } = times;
        let dt = end - time;
        let spread = (2.0 * self.diffusion.at(path, f64::from(self.norm), time) * dt).sqrt() as f32;
        match self.solver {
            SdeSolver::EulerMaruyama => {
                let found = velocity(stream, x, time as f32)?.evaluated(stream)?;
                self.drift(stream, path, x, &found, time, dt)?;
                Euler { velocity: noise, x, dt: spread }.launch(stream)
            }
            SdeSolver::Heun => {
                Euler { velocity: noise, x, dt: spread }.launch(stream)?;
                let found = velocity(stream, x, time as f32)?.evaluated(stream)?;
                let ahead = stream.allocate(x.len())?;
                stream.copy(x, &ahead)?;
                self.drift(stream, path, &ahead, &found, time, dt)?;
                let found_ahead = velocity(stream, &ahead, end as f32)?.evaluated(stream)?;
                self.drift(stream, path, x, &found, time, 0.5 * dt)?;
                let [of_point, of_velocity] = self.drift_weights(path, end);
                Euler { velocity: &ahead, x, dt: (0.5 * dt * of_point) as f32 }.launch(stream)?;
                Euler { velocity: &found_ahead, x, dt: (0.5 * dt * of_velocity) as f32 }.launch(stream)
            }
        }
    }

    /// Takes `x` in place from `time` to 1 without noise, as [`Sde::last`] says.
    ///
    /// # Errors
    /// As [`Sde::step`].
    pub fn last_step(
        self,
        stream: &mut Stream,
        path: FlowPath,
        x: &Buffer,
        time: f64,
        mut velocity: impl FnMut(&mut Stream, &Buffer, f32) -> Result<Velocity>,
    ) -> Result<()> {
        let mut found = |stream: &mut Stream| velocity(stream, x, time as f32)?.evaluated(stream);
        match self.last {
            LastStep::None => Ok(()),
            LastStep::Mean => {
                let found = found(stream)?;
                self.drift(stream, path, x, &found, time, 1.0 - time)
            }
            LastStep::Tweedie => {
                let found = found(stream)?;
                let data = Prediction::Data.predict(stream, path, x, &found, time as f32)?;
                stream.copy(&data, x)
            }
            LastStep::Euler => Euler { velocity: &found(stream)?, x, dt: (1.0 - time) as f32 }.launch(stream),
        }
    }

    /// x += dt · (v + D · s), where v is the velocity at x.
    fn drift(
        self,
        stream: &mut Stream,
        path: FlowPath,
        x: &Buffer,
        velocity: &Buffer,
        time: f64,
        dt: f64,
    ) -> Result<()> {
        let [of_point, of_velocity] = self.drift_weights(path, time);
        let point = stream.allocate(x.len())?;
        stream.copy(x, &point)?;
        Euler { velocity: &point, x, dt: (dt * of_point) as f32 }.launch(stream)?;
        Euler { velocity, x, dt: (dt * of_velocity) as f32 }.launch(stream)
    }

    /// How much of the point and how much of the velocity make v + D · s.
    fn drift_weights(self, path: FlowPath, time: f64) -> [f64; 2] {
        let diffusion = self.diffusion.at(path, f64::from(self.norm), time);
        let [of_point, of_velocity] = Prediction::Score.weights(path, time);
        [diffusion * of_point, 1.0 + diffusion * of_velocity]
    }
}
