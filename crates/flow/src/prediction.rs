//! What a velocity says about a point besides where it goes.

use kernels::{Coefficients, Euler, Fill, FlowPath};
use runtime::{Buffer, Result, Stream};

/// What can be told from a point x_t = α · data + σ · noise and its velocity v = α' · data + σ' · noise, by solving
/// these two equations, with d = α · σ' − σ · α'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prediction {
    /// The mean of the data that may have led to the point: (σ' · x − σ · v) / d. Not to be told at t = 0 on a
    /// polynomial path of degree 2 or more, which starts with no velocity.
    Data,
    /// The mean of the noise: (α · v − α' · x) / d.
    Noise,
    /// The gradient of the log-density of the points: −noise / σ. Infinite at t = 1 on a path without noise there.
    Score,
}

impl Prediction {
    /// The prediction at a point `x` whose velocity is `velocity`, at a time within [0, 1].
    ///
    /// # Errors
    /// [`runtime::Error::Shape`] where the velocity is of another size than x, and what the device reports.
    pub fn predict(
        self,
        stream: &mut Stream,
        path: FlowPath,
        x: &Buffer,
        velocity: &Buffer,
        time: f32,
    ) -> Result<Buffer> {
        let [of_point, of_velocity] = self.weights(path, f64::from(time));
        let out = stream.allocate(x.len())?;
        Fill { out: &out, value: 0.0 }.launch(stream)?;
        Euler { velocity: x, x: &out, dt: of_point as f32 }.launch(stream)?;
        Euler { velocity, x: &out, dt: of_velocity as f32 }.launch(stream)?;
        Ok(out)
    }

    /// How much of the point and how much of the velocity make the prediction.
    pub(crate) fn weights(self, path: FlowPath, time: f64) -> [f64; 2] {
        let Coefficients { alpha, sigma, alpha_rate, sigma_rate } = path.at(time);
        let determinant = alpha * sigma_rate - sigma * alpha_rate;
        match self {
            Self::Data => [sigma_rate / determinant, -sigma / determinant],
            // Without data the point is noise alone.
            Self::Noise if alpha == 0.0 => [1.0 / sigma, 0.0],
            Self::Noise => [-alpha_rate / determinant, alpha / determinant],
            Self::Score => Self::Noise.weights(path, time).map(|weight| -weight / sigma),
        }
    }
}
