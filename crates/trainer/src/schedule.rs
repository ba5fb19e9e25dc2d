//! How the learning rate changes over a run.

use std::f64::consts::PI;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What the learning rate does after its warm-up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It falls to zero along half a cosine over the whole run (Loshchilov and Hutter, arXiv 1608.03983, without restarts).
    #[default]
    Cosine,
    /// It falls to zero evenly over the whole run.
    Linear,
    /// It stays, then falls to zero evenly over the last fifth (Hägele and others, arXiv 2405.18392).
    Cooldown,
    /// It stays.
    Constant,
}

/// The part of a run over which [`Schedule::Cooldown`] falls.
const COOLDOWN: f64 = 0.2;

impl Schedule {
    /// The share of the rate, within [0, 1], where a part of the run, within [0, 1), is over.
    pub fn factor(self, done: f64) -> f64 {
        match self {
            Self::Cosine => 0.5 + 0.5 * (PI * done).cos(),
            Self::Linear => 1.0 - done,
            Self::Cooldown => ((1.0 - done) / COOLDOWN).min(1.0),
            Self::Constant => 1.0,
        }
    }

    /// Its name on the command line.
    pub fn name(self) -> String {
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_begin_at_the_rate_and_fall_where_they_should() {
        let all = [Schedule::Cosine, Schedule::Linear, Schedule::Cooldown, Schedule::Constant];
        let at = |done: f64| all.map(|schedule| (schedule.factor(done) * 1e6).round() / 1e6);
        assert_eq!(at(0.0), [1.0; 4]);
        assert_eq!(at(0.25), [0.853_553, 0.75, 1.0, 1.0]);
        assert_eq!(at(0.5), [0.5, 0.5, 1.0, 1.0]);
        assert_eq!(at(0.9), [0.024_472, 0.1, 0.5, 1.0]);
        assert_eq!(at(1.0), [0.0, 0.0, 0.0, 1.0]);
    }
}
