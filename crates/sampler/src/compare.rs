//! `--compare`: a flag and its values, as they are typed: `steps=5,10,50`.

use std::fmt;
use std::str::FromStr;

/// A flag, and at least two values for it that have not been read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// The flag's name, without dashes.
    pub flag: &'static str,
    /// What is to be given to it, each in turn.
    pub values: Vec<String>,
}

/// The flags whose values can be compared: those that change how an image is drawn and not which.
const FLAGS: [&str; 10] = [
    "guidance",
    "solver",
    "steps",
    "time-shift",
    "guidance-interval",
    "guidance-rescale",
    "cfg-zero-star",
    "sde",
    "rtol",
    "seed",
];
/// Panels that still fit beside each other.
const MOST: usize = 20;

impl FromStr for Comparison {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let grammar = || format!("`{text}` is no comparison; write such as steps=5,10,50 or solver=euler,heun");
        let (name, list) = text.split_once('=').ok_or_else(grammar)?;
        let name = name.trim();
        let Some(flag) = FLAGS.into_iter().find(|flag| *flag == name) else {
            return Err(format!("`{name}` cannot be compared; choose one of {}", FLAGS.join(", ")));
        };
        let values: Vec<String> = list.split(',').map(|value| value.trim().to_owned()).collect();
        if values.len() < 2 || values.iter().any(String::is_empty) {
            return Err(grammar());
        }
        if values.len() > MOST {
            return Err(format!("{} values are too many for one picture; give up to {MOST}", values.len()));
        }
        Ok(Self { flag, values })
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.flag, self.values.join(","))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_and_its_values() {
        let comparison: Comparison = "solver=euler, heun".parse().unwrap();
        assert_eq!(
            (comparison.flag, comparison.values.as_slice()),
            ("solver", &["euler".to_owned(), "heun".to_owned()][..])
        );
        assert_eq!(comparison.to_string(), "solver euler,heun");
    }

    #[test]
    fn what_is_no_comparison_is_named() {
        for (text, word) in [
            ("", "is no comparison"),
            ("steps", "is no comparison"),
            ("steps=5", "is no comparison"),
            ("steps=5,", "is no comparison"),
            ("digits=1,2", "`digits` cannot be compared"),
            ("out=a,b", "guidance-interval"),
        ] {
            let complaint = text.parse::<Comparison>().unwrap_err();
            assert!(complaint.contains(word), "{text}: {complaint}");
        }
        let many = format!("seed={}", vec!["1"; MOST + 1].join(","));
        assert!(many.parse::<Comparison>().unwrap_err().starts_with("21 values"));
    }
}
