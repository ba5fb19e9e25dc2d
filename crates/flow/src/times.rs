//! The times at which the training loss is taken.

use std::fmt;
use std::str::FromStr;

use kernels::{LogitNormalTime, UniformTime};
use runtime::{Buffer, Result, Stream};
use serde::{Deserialize, Serialize};

/// How the times of a batch are drawn, strictly between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeSampling {
    /// All times alike.
    #[default]
    Uniform,
    /// ln(t / (1 − t)) is normal (Esser et al., 2403.03206, section 3.1): more of the middle of the way, where
    /// the velocity is hardest to tell.
    LogitNormal {
        /// The mean of the logit. Above 0 more times are near the data, at t = 1, below 0 near the noise. The
        /// paper's time runs the other way, and so its mean is this one's negative.
        mean: f32,
        /// The standard deviation of the logit.
        deviation: f32,
    },
}

impl TimeSampling {
    /// Draws a time for each item of `out`, which depends on the seed, the step and the item alone.
    pub(crate) fn draw(self, stream: &mut Stream, out: &Buffer, seed: u64, step: u32) -> Result<()> {
        match self {
            Self::Uniform => UniformTime { out, seed, step }.launch(stream),
            Self::LogitNormal { mean, deviation } => {
                LogitNormalTime { out, seed, step, mean, deviation }.launch(stream)
            }
        }
    }
}

impl FromStr for TimeSampling {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, numbers) = text.split_once(':').unwrap_or((text, ""));
        let numbers = numbers.split(',').map(|number| number.trim().parse().ok().filter(|n: &f32| n.is_finite()));
        match (name, numbers.collect::<Vec<_>>().as_slice()) {
            ("uniform", _) if !text.contains(':') => Ok(Self::Uniform),
            ("logit-normal", [Some(mean), Some(deviation)]) if *deviation > 0.0 => {
                Ok(Self::LogitNormal { mean: *mean, deviation: *deviation })
            }
            _ => Err(format!(
                "`{text}` is no way to draw times; write uniform, or logit-normal:MEAN,STD with STD above 0, such as \
                 logit-normal:0,1"
            )),
        }
    }
}

impl fmt::Display for TimeSampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uniform => f.write_str("uniform"),
            Self::LogitNormal { mean, deviation } => write!(f, "logit-normal:{mean},{deviation}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_by_their_names() {
        for times in [TimeSampling::Uniform, TimeSampling::LogitNormal { mean: -0.5, deviation: 1.25 }] {
            assert_eq!(times.to_string().parse(), Ok(times));
        }
        assert_eq!(
            "logit-normal:0, 1".parse(),
            Ok(TimeSampling::LogitNormal { mean: 0.0, deviation: 1.0 }),
            "a space is no harm"
        );
    }

    #[test]
    fn what_is_no_distribution_is_named() {
        for text in [
            "",
            "normal",
            "uniform:",
            "uniform:1",
            "logit-normal",
            "logit-normal:0",
            "logit-normal:0,1,2",
            "logit-normal:a,1",
        ] {
            let complaint = text.parse::<TimeSampling>().unwrap_err();
            assert!(complaint.contains(&format!("`{text}`")), "{complaint}");
        }
        for deviation in ["0", "-1", "nan", "inf"] {
            assert!(format!("logit-normal:0,{deviation}").parse::<TimeSampling>().is_err(), "{deviation}");
        }
    }
}
