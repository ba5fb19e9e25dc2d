//! A part of the way from noise to image, as it is typed: `0.1..0.9`.

use std::ops::Range;
use std::str::FromStr;

/// Where there is guidance: from one time to a later one, both within [0, 1].
#[derive(Clone, Debug, PartialEq)]
pub struct Interval {
    from: f32,
    to: f32,
}

impl Interval {
    /// The times in it. An interval up to 1 holds 1 itself, which some solvers look at.
    pub fn times(&self) -> Range<f32> {
        self.from..if self.to == 1.0 { f32::INFINITY } else { self.to }
    }
}

impl FromStr for Interval {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let time = |text: &str| text.trim().parse().ok().filter(|time: &f32| (0.0..=1.0).contains(time));
        let ends = text.split_once("..").and_then(|(from, to)| Some((time(from)?, time(to)?)));
        match ends {
            Some((from, to)) if from < to => Ok(Self { from, to }),
            Some((from, to)) => Err(format!("from {from} to {to} there is nothing; write such as 0.1..0.9")),
            None => Err(format!("`{text}` is no interval within 0..1; write such as 0.1..0.9")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn intervals_end_before_their_end_but_for_the_image_itself() {
        let times = |text: &str| text.parse::<Interval>().unwrap().times();
        assert!(times("0..1").contains(&0.0) && times("0..1").contains(&1.0));
        let some = times("0.25 .. 0.5");
        assert!(some.contains(&0.25) && some.contains(&0.4) && !some.contains(&0.5) && !some.contains(&0.2));
    }

    #[test]
    fn what_is_no_interval_is_named() {
        for text in ["", "0.5", "0.5..", "..", "-0.1..1", "0..1.1", "a..b", "nan..1"] {
            let complaint = text.parse::<Interval>().unwrap_err();
            assert!(complaint.contains("is no interval"), "{text}: {complaint}");
        }
        assert!("0.5..0.5".parse::<Interval>().unwrap_err().contains("nothing"));
        assert!("0.9..0.1".parse::<Interval>().unwrap_err().contains("nothing"));
    }
}
