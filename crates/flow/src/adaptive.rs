//! Steps as long as the error allows.

use std::ops::Range;

use kernels::{Fill, ScaledError};
use runtime::{Buffer, Result, Stream};

use crate::SampleError;
use crate::sample::{VelocityAt, unwatched};
use crate::solver::{Solver, Velocity, advance};

/// The method of order 5 of Dormand and Prince (1980), with steps whose length follows from its difference to their
/// method of order 4 (Hairer, Nørsett and Wanner, Solving Ordinary Differential Equations I, II.4 and II.5).
///
/// A step evaluates the velocity six times: its seventh velocity is the first of the next step. All items go in the
/// same steps, and the worst of them decides. One number an item is read back each step: the only reading.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adaptive {
    /// The error allowed in a step as a part of the value.
    pub relative: f32,
    /// The error allowed in a step whatever the value.
    pub absolute: f32,
    /// Steps, with those that were too long and had to be repeated, after which it gives up.
    pub most_steps: usize,
}

impl Default for Adaptive {
    fn default() -> Self {
        Self { relative: 1e-3, absolute: 1e-4, most_steps: 1000 }
    }
}

/// The length of the first step; the next are what the error allows.
const FIRST_STEP: f64 = 0.05;
/// How much shorter than the error seems to allow, and how much longer or shorter than the last, a step may be.
const SAFETY: f64 = 0.9;
const GROWTH: Range<f64> = 0.2..10.0;
/// The exponents of the error and of the one before it: a PI controller, which swings less than one that looks at the
/// last error alone (Gustafsson, 1991).
const OF_LAST_ERROR: f64 = 0.04;
const OF_ERROR: f64 = 0.2 - 0.75 * OF_LAST_ERROR;
/// Errors below this let a step grow no more.
const LEAST_ERROR: f64 = 1e-4;

/// How far the step of order 5 goes along each velocity beyond that of order 4.
const DIFFERENCE: [f32; 7] =
    [71.0 / 57600.0, 0.0, -71.0 / 16695.0, 71.0 / 1920.0, -17253.0 / 339_200.0, 22.0 / 525.0, -1.0 / 40.0];

impl Adaptive {
    /// Takes `x`, of `items` items, in place through `times`, where `velocity` gives v at a point and a time.
    /// `progress` hears the time after each step.
    ///
    /// # Errors
    /// [`SampleError`], with x where the last good step has left it.
    pub fn integrate(
        self,
        stream: &mut Stream,
        x: &Buffer,
        items: usize,
        times: Range<f64>,
        velocity: impl FnMut(&mut Stream, &Buffer, f32) -> Result<Velocity>,
        progress: impl FnMut(f64),
    ) -> Result<(), SampleError> {
        self.integrate_watched(stream, x, items, times, velocity, progress, unwatched)
    }

    /// As [`Adaptive::integrate`], where `watch` sees before each step the point, its time, and what gives velocities.
    #[allow(clippy::too_many_arguments)] // those of `integrate`, and the one that this is for
    pub(crate) fn integrate_watched(
        self,
        stream: &mut Stream,
        x: &Buffer,
        items: usize,
        times: Range<f64>,
        mut velocity: impl FnMut(&mut Stream, &Buffer, f32) -> Result<Velocity>,
        mut progress: impl FnMut(f64),
        mut watch: impl FnMut(&mut Stream, &Buffer, f32, VelocityAt) -> Result<()>,
    ) -> Result<(), SampleError> {
        let Range { start: mut time, end } = times;
        let (mut dt, mut last_error, mut grows) = (FIRST_STEP, LEAST_ERROR, true);
        let mut known = None;
        for _ in 0..self.most_steps {
            // A step that all but reaches the end goes there, rather than leave a rest of no length.
            dt = if time + 1.01 * dt >= end { end - time } else { dt };
            let (at, step) = (time as f32, dt as f32);
            watch(stream, x, at, &mut velocity)?;
            let mut velocities =
                Solver::DormandPrince5.velocities(stream, x, at, step, known.clone(), &mut velocity)?;
            let next = stream.allocate(x.len())?;
            stream.copy(x, &next)?;
            advance(stream, &next, &velocities, Solver::DormandPrince5.weights(), step)?;
            velocities.push(velocity(stream, &next, (time + dt) as f32)?);
            let error = self.error(stream, x, &next, items, &velocities, step)?;
            if !error.is_finite() {
                return Err(SampleError::NotFinite { time });
            }
            let wanted = SAFETY * error.max(LEAST_ERROR).powf(-OF_ERROR);
            if error > 1.0 {
                known = velocities.into_iter().next();
                dt *= wanted.clamp(GROWTH.start, 1.0);
                grows = false;
                continue;
            }
            stream.copy(&next, x)?;
            time += dt;
            progress(time);
            if time >= end {
                return Ok(());
            }
            known = velocities.pop();
            dt *= (wanted * last_error.powf(OF_LAST_ERROR)).clamp(GROWTH.start, if grows { GROWTH.end } else { 1.0 });
            (last_error, grows) = (error.max(LEAST_ERROR), true);
        }
        Err(SampleError::TooManySteps { steps: self.most_steps, time })
    }

    /// The error of the worst item: 1 is what is allowed. Waits for the device.
    fn error(
        self,
        stream: &mut Stream,
        before: &Buffer,
        after: &Buffer,
        items: usize,
        velocities: &[Velocity],
        dt: f32,
    ) -> Result<f64> {
        let (error, out) = (stream.allocate(before.len())?, stream.allocate(items)?);
        Fill { out: &error, value: 0.0 }.launch(stream)?;
        advance(stream, &error, velocities, &DIFFERENCE, dt)?;
        let Self { absolute, relative, .. } = self;
        let (batch, size) = (items, before.len() / items);
        ScaledError { error: &error, before, after, out: &out, absolute, relative, batch, size }.launch(stream)?;
        let squares: Vec<f32> = stream.read(&out)?;
        // NaN, which no comparison finds, is kept.
        let worst = squares.into_iter().fold(0.0, |worst: f32, square| if square <= worst { worst } else { square });
        Ok(f64::from(worst).sqrt())
    }
}
