//! Solvers of dx/dt = v(x, t): explicit Runge–Kutta methods, made of steps of Euler's.

use std::fmt;
use std::str::FromStr;

use kernels::{Euler, Fill, GuidanceEuler};
use runtime::{Buffer, Result, Stream};

use crate::names::named;

/// How x is taken from one time to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Solver {
    /// x + dt · v(x, t): order 1, one evaluation a step.
    #[default]
    Euler,
    /// The velocity at the middle of Euler's step: order 2, two evaluations.
    Midpoint,
    /// The mean of the velocities at both ends of Euler's step: order 2, two evaluations.
    Heun,
    /// The classic method of order 4 (Kutta, 1901), four evaluations.
    RungeKutta4,
    /// The method of order 5 of Dormand and Prince (1980). With steps of a fixed length it takes six evaluations;
    /// [`crate::Adaptive`] chooses their length by the error.
    DormandPrince5,
}

/// A Butcher tableau (Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, II.1).
struct Tableau {
    /// c: the time of each stage, as a part of the step.
    times: &'static [f32],
    /// a: how far each stage goes along the velocities of those before it.
    stages: &'static [&'static [f32]],
    /// b: how far the step goes along the velocities of all stages.
    weights: &'static [f32],
    order: u32,
}

const EULER: Tableau = Tableau { times: &[0.0], stages: &[&[]], weights: &[1.0], order: 1 };
const MIDPOINT: Tableau = Tableau { times: &[0.0, 0.5], stages: &[&[], &[0.5]], weights: &[0.0, 1.0], order: 2 };
const HEUN: Tableau = Tableau { times: &[0.0, 1.0], stages: &[&[], &[1.0]], weights: &[0.5, 0.5], order: 2 };
const RUNGE_KUTTA_4: Tableau = Tableau {
    times: &[0.0, 0.5, 0.5, 1.0],
    stages: &[&[], &[0.5], &[0.0, 0.5], &[0.0, 0.0, 1.0]],
    weights: &[1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0],
    order: 4,
};

const DORMAND_PRINCE_5: Tableau = Tableau {
    times: &[0.0, 1.0 / 5.0, 3.0 / 10.0, 4.0 / 5.0, 8.0 / 9.0, 1.0],
    stages: &[
        &[],
        &[1.0 / 5.0],
        &[3.0 / 40.0, 9.0 / 40.0],
        &[44.0 / 45.0, -56.0 / 15.0, 32.0 / 9.0],
        &[19372.0 / 6561.0, -25360.0 / 2187.0, 64448.0 / 6561.0, -212.0 / 729.0],
        &[9017.0 / 3168.0, -355.0 / 33.0, 46732.0 / 5247.0, 49.0 / 176.0, -5103.0 / 18656.0],
    ],
    weights: &[35.0 / 384.0, 0.0, 500.0 / 1113.0, 125.0 / 192.0, -2187.0 / 6784.0, 11.0 / 84.0],
    order: 5,
};

impl Solver {
    /// Every solver.
    pub const ALL: [Self; 5] = [Self::Euler, Self::Midpoint, Self::Heun, Self::RungeKutta4, Self::DormandPrince5];

    /// The name that [`Solver::from_str`] takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::Midpoint => "midpoint",
            Self::Heun => "heun",
            Self::RungeKutta4 => "rk4",
            Self::DormandPrince5 => "dopri5",
        }
    }

    /// Evaluations of the velocity in a step.
    pub fn evaluations(self) -> usize {
        self.tableau().times.len()
    }

    /// The order p: with steps of length h the result is off by about h^p, where v is smooth.
    pub fn order(self) -> u32 {
        self.tableau().order
    }

    /// How far a step goes along the velocity of each stage.
    pub(crate) fn weights(self) -> &'static [f32] {
        self.tableau().weights
    }

    fn tableau(self) -> &'static Tableau {
        match self {
            Self::Euler => &EULER,
            Self::Midpoint => &MIDPOINT,
            Self::Heun => &HEUN,
            Self::RungeKutta4 => &RUNGE_KUTTA_4,
            Self::DormandPrince5 => &DORMAND_PRINCE_5,
        }
    }

    /// Takes `x` in place from `time` to `time + dt`, where `velocity` gives v at a point and a time.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`] where a velocity is of another size than x, and what `velocity` and the
    /// device report.
    pub fn step(
        self,
        stream: &mut Stream,
        x: &Buffer,
        time: f32,
        dt: f32,
        velocity: impl FnMut(&mut Stream, &Buffer, f32) -> Result<Velocity>,
    ) -> Result<()> {
        let velocities = self.velocities(stream, x, time, dt, None, velocity)?;
        advance(stream, x, &velocities, self.weights(), dt)
    }

    /// The velocities of all stages of a step from `x`; `known` is the first, if it is.
    pub(crate) fn velocities(
        self,
        stream: &mut Stream,
        x: &Buffer,
        time: f32,
        dt: f32,
        known: Option<Velocity>,
        mut velocity: impl FnMut(&mut Stream, &Buffer, f32) -> Result<Velocity>,
    ) -> Result<Vec<Velocity>> {
        let Tableau { times, stages, .. } = self.tableau();
        let mut velocities: Vec<Velocity> = known.into_iter().collect();
        for (offset, stage) in times.iter().zip(*stages).skip(velocities.len()) {
            let at = time + offset * dt;
            let found = if stage.is_empty() {
                velocity(stream, x, at)?
            } else {
                let point = stream.allocate(x.len())?;
                stream.copy(x, &point)?;
                advance(stream, &point, &velocities, stage, dt)?;
                velocity(stream, &point, at)?
            };
            velocities.push(found);
        }
        Ok(velocities)
    }
}

impl FromStr for Solver {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        named(text, &Self::ALL, "solver", Self::name)
    }
}

impl fmt::Display for Solver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// x += dt · Σ weight · v.
pub(crate) fn advance(
    stream: &mut Stream,
    x: &Buffer,
    velocities: &[Velocity],
    weights: &[f32],
    dt: f32,
) -> Result<()> {
    let taken = velocities.iter().zip(weights).filter(|(_, weight)| **weight != 0.0);
    taken.into_iter().try_for_each(|(velocity, weight)| velocity.advance(stream, x, weight * dt))
}

/// A velocity at a point.
#[derive(Clone, Debug)]
pub enum Velocity {
    /// As it is, of x's shape.
    Plain(Buffer),
    /// null + guidance · (conditional − null), (Ho and Salimans, 2207.12598).
    Guided {
        /// The conditional velocity, then that of the null class: twice x's shape.
        both: Buffer,
        /// The guidance scale.
        guidance: f32,
    },
}

impl Velocity {
    /// The velocity by itself.
    pub(crate) fn evaluated(self, stream: &mut Stream) -> Result<Buffer> {
        match self {
            Self::Plain(velocity) => Ok(velocity),
            Self::Guided { ref both, .. } => {
                let out = stream.allocate(both.len() / 2)?;
                Fill { out: &out, value: 0.0 }.launch(stream)?;
                self.advance(stream, &out, 1.0)?;
                Ok(out)
            }
        }
    }

    /// x += dt · v.
    fn advance(&self, stream: &mut Stream, x: &Buffer, dt: f32) -> Result<()> {
        match self {
            Self::Plain(velocity) => Euler { velocity, x, dt }.launch(stream),
            Self::Guided { both, guidance } => {
                // The kernel takes items of any size; one of all elements is as good.
                let (guidance, batch, size) = (*guidance, 1, x.len());
                GuidanceEuler { velocity: both, x, guidance, dt, batch, size }.launch(stream)
            }
        }
    }
}
