//! The paths from noise to data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A Gaussian path x_t = α_t · data + σ_t · noise, with noise at t = 0 and data at t = 1. The velocity along it
/// is u = α'_t · data + σ'_t · noise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FlowPath {
    /// α = t, σ = 1 − t: the straight path of conditional optimal transport (Lipman et al., 2210.02747).
    #[default]
    CondOt,
    /// α = tⁿ, σ = 1 − tⁿ, for n of 1 to [`FlowPath::MOST_DEGREE`] (Lipman et al., 2412.06264).
    Polynomial(u32),
    /// α = exp(−T/2), σ = √(1 − exp(−T)) with T = r · (0.1 + 9.95 · r) and r = 1 − t: the variance-preserving
    /// diffusion of Song et al. (2011.13456), β from 0.1 to 20. At t = 0 some data is left: α = 0.0066.
    VariancePreserving,
    /// α = t, σ = √(1 − t²).
    LinearVp,
    /// α = sin(πt/2), σ = cos(πt/2) (Albergo and Vanden-Eijnden, 2209.15571), what SiT calls GVP.
    Cosine,
}

/// A path at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Coefficients {
    /// α: how much of the data there is.
    pub alpha: f64,
    /// σ: how much of the noise.
    pub sigma: f64,
    /// α', its derivative by time.
    pub alpha_rate: f64,
    /// σ', its derivative by time.
    pub sigma_rate: f64,
}

/// β of the variance-preserving path at the data, and how much more it is at the noise.
const BETA: f64 = 0.1;
const BETA_RISE: f64 = 19.9;

impl FlowPath {
    /// The highest degree of a polynomial path.
    pub const MOST_DEGREE: u32 = 8;

    /// Where σ' is infinite at the data, coefficients at later times are those at this one: SiT trains up to here too.
    pub const LAST: f32 = 0.99999;

    /// Whether this is the straight path, which weights from before there were others are of.
    pub fn is_cond_ot(&self) -> bool {
        *self == Self::CondOt
    }

    /// The path at a time within [0, 1].
    pub fn at(self, time: f64) -> Coefficients {
        let [alpha, sigma, alpha_rate, sigma_rate] = match self {
            Self::CondOt => [time, 1.0 - time, 1.0, -1.0],
            Self::Polynomial(degree) => {
                let below = time.powi(degree as i32 - 1);
                let rate = f64::from(degree) * below;
                [below * time, 1.0 - below * time, rate, -rate]
            }
            Self::VariancePreserving => {
                let rest = 1.0 - before_last(time);
                let beta = BETA + BETA_RISE * rest;
                let integral = rest * (BETA + 0.5 * BETA_RISE * rest);
                let (alpha, sigma) = ((-0.5 * integral).exp(), (-(-integral).exp_m1()).sqrt());
                [alpha, sigma, 0.5 * beta * alpha, -0.5 * beta * alpha * alpha / sigma]
            }
            Self::LinearVp => {
                let time = before_last(time);
                let sigma = ((1.0 - time) * (1.0 + time)).sqrt();
                [time, sigma, 1.0, -time / sigma]
            }
            Self::Cosine => {
                const QUARTER_TURN: f64 = std::f64::consts::FRAC_PI_2;
                let (sine, cosine) = (QUARTER_TURN * time).sin_cos();
                [sine, cosine, QUARTER_TURN * cosine, -QUARTER_TURN * sine]
            }
        };
        Coefficients { alpha, sigma, alpha_rate, sigma_rate }
    }

    /// The path as `shaders/shared/path.wgsl` takes it: its kind, and the degree of a polynomial.
    pub(crate) fn words(self) -> [u32; 2] {
        match self {
            Self::CondOt => [0, 1],
            Self::Polynomial(degree) => [1, degree],
            Self::VariancePreserving => [2, 1],
            Self::LinearVp => [3, 1],
            Self::Cosine => [4, 1],
        }
    }

    /// The path of these words.
    pub(crate) fn from_words(kind: u32, degree: u32) -> Self {
        match kind {
            1 => Self::Polynomial(degree),
            2 => Self::VariancePreserving,
            3 => Self::LinearVp,
            4 => Self::Cosine,
            _ => Self::CondOt,
        }
    }
}

/// The time, but no later than [`FlowPath::LAST`].
fn before_last(time: f64) -> f64 {
    let last = f64::from(FlowPath::LAST);
    if time > last { last } else { time } // NaN stays NaN
}

impl FromStr for FlowPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let degree = text.strip_prefix("polynomial:").and_then(|degree| degree.parse().ok());
        match text {
            "condot" => Ok(Self::CondOt),
            "vp" => Ok(Self::VariancePreserving),
            "linear-vp" => Ok(Self::LinearVp),
            "cosine" => Ok(Self::Cosine),
            _ => match degree.filter(|degree| (1..=Self::MOST_DEGREE).contains(degree)) {
                Some(degree) => Ok(Self::Polynomial(degree)),
                None => Err(format!(
                    "`{text}` is no path; write condot, polynomial:N with N from 1 to {}, vp, linear-vp or cosine",
                    Self::MOST_DEGREE
                )),
            },
        }
    }
}

impl fmt::Display for FlowPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CondOt => f.write_str("condot"),
            Self::Polynomial(degree) => write!(f, "polynomial:{degree}"),
            Self::VariancePreserving => f.write_str("vp"),
            Self::LinearVp => f.write_str("linear-vp"),
            Self::Cosine => f.write_str("cosine"),
        }
    }
}

impl TryFrom<String> for FlowPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<FlowPath> for String {
    fn from(path: FlowPath) -> Self {
        path.to_string()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ALL: [FlowPath; 6] = [
        FlowPath::CondOt,
        FlowPath::Polynomial(1),
        FlowPath::Polynomial(3),
        FlowPath::VariancePreserving,
        FlowPath::LinearVp,
        FlowPath::Cosine,
    ];

    #[test]
    fn rates_are_the_derivatives() {
        const H: f64 = 1e-6;
        for path in ALL {
            for time in [0.01, 0.25, 0.5, 0.9, 0.99] {
                let (at, before, after) = (path.at(time), path.at(time - H), path.at(time + H));
                let slope = |f: fn(Coefficients) -> f64| (f(after) - f(before)) / (2.0 * H);
                let off = (slope(|c| c.alpha) - at.alpha_rate).abs().max((slope(|c| c.sigma) - at.sigma_rate).abs());
                assert!(off < 1e-6, "{path} at {time}: off by {off}");
            }
        }
    }

    /// Data at the end but for σ at [`FlowPath::LAST`], which is 4.5e-3 of the linear VP path; noise at the start but
    /// for the α of 6.6e-3 that the VP path leaves.
    #[test]
    fn paths_lead_from_noise_to_data_and_stay_finite() {
        for path in ALL {
            let (start, end) = (path.at(0.0), path.at(1.0));
            assert!(start.alpha < 0.007 && (start.sigma - 1.0).abs() < 1e-4, "{path}: {start:?}");
            assert!((end.alpha - 1.0).abs() < 2e-5 && end.sigma < 0.005, "{path}: {end:?}");
            for c in [start, end] {
                assert!(c.alpha_rate.is_finite() && c.sigma_rate.is_finite(), "{path}: {c:?}");
            }
        }
    }

    #[test]
    fn paths_are_found_by_their_names() {
        for path in ALL {
            assert_eq!(path.to_string().parse(), Ok(path));
            let [kind, degree] = path.words();
            assert_eq!(FlowPath::from_words(kind, degree), path);
        }
        for text in
            ["", "CondOT", "polynomial", "polynomial:0", "polynomial:9", "polynomial:1.5", "polynomial:-1", "ot"]
        {
            let complaint = text.parse::<FlowPath>().unwrap_err();
            assert!(complaint.contains(&format!("`{text}`")) && complaint.contains("linear-vp"), "{complaint}");
        }
    }
}
