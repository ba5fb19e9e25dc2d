//! Data whose velocities, scores and ways are known: one normal distribution.

use flow::{FlowPath, Velocity};
use runtime::{Buffer, Result, Stream};
use tests::oracle::flow::path;

/// Every path, with a polynomial among them that is not the straight one.
pub const PATHS: [FlowPath; 5] =
    [FlowPath::CondOt, FlowPath::Polynomial(2), FlowPath::VariancePreserving, FlowPath::LinearVp, FlowPath::Cosine];

/// Data of a mean and a deviation, and the path to it. With x_t = α · data + σ · noise all of x_t, data and noise are
/// normal together, and what is to be expected of one given the other is a line.
#[derive(Clone, Copy, Debug)]
pub struct Gaussian {
    pub path: FlowPath,
    pub mean: f64,
    pub deviation: f64,
}

impl Gaussian {
    /// The mean of x_t, and its variance.
    pub fn moments(self, t: f64) -> [f64; 2] {
        let [alpha, _, square, _] = path(self.path, t);
        [alpha * self.mean, (alpha * self.deviation).powi(2) + square]
    }

    /// The mean of the velocities at a point: that of x_t moves with α' · mean, and distances from it grow as x_t's
    /// deviation does.
    pub fn velocity(self, x: f64, t: f64) -> f64 {
        let [alpha, alpha_rate, _, half_rate] = path(self.path, t);
        let [mean, variance] = self.moments(t);
        let half = alpha * alpha_rate * self.deviation.powi(2) + half_rate;
        alpha_rate * self.mean + half / variance * (x - mean)
    }

    /// Where the way from a point at t = 0 leads to at t = 1: as many deviations from the mean as before.
    pub fn end(self, x: f64) -> f64 {
        let ([first_mean, first], [last_mean, last]) = (self.moments(0.0), self.moments(1.0));
        last_mean + (last / first).sqrt() * (x - first_mean)
    }

    /// The velocity at each element of a buffer.
    pub fn velocities(self) -> impl Fn(&mut Stream, &Buffer, f32) -> Result<Velocity> + Copy {
        move |stream, x, time| {
            let x: Vec<f32> = stream.read(x)?;
            let velocity = x.iter().map(|x| self.velocity(f64::from(*x), f64::from(time)) as f32);
            Ok(Velocity::Plain(stream.upload(&velocity.collect::<Vec<f32>>())?))
        }
    }
}
