//! `--prompt`: a number to be written in drawn digits.

use std::fmt;
use std::str::FromStr;

/// Digits in the order of reading; at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt(String);

/// The longest number that is still a line.
const LONGEST: usize = 100;

impl Prompt {
    /// The class of each digit.
    pub fn digits(&self) -> Vec<u32> {
        self.0.chars().filter_map(|digit| digit.to_digit(10)).collect()
    }
}

impl FromStr for Prompt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("there is nothing to write; give a number such as 2026".into());
        }
        if let Some(wrong) = text.chars().find(|letter| !letter.is_ascii_digit()) {
            return Err(format!(
                "`{wrong}` is none of the digits 0 to 9, and other things cannot be drawn; give a number such as 2026"
            ));
        }
        if text.len() > LONGEST {
            return Err(format!("{} digits are too many for a line; give up to {LONGEST}", text.len()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Prompt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_read_from_left_to_right() {
        assert_eq!("0072".parse::<Prompt>().unwrap().digits(), [0, 0, 7, 2]);
    }

    #[test]
    fn what_is_no_digit_is_named() {
        for (text, wrong) in [("20a6", "`a`"), ("-5", "`-`"), ("3.14", "`.`"), ("1 2", "` `"), ("٣", "`٣`")] {
            let complaint = text.parse::<Prompt>().unwrap_err();
            assert!(complaint.starts_with(wrong), "{complaint}");
        }
        assert!("".parse::<Prompt>().unwrap_err().contains("nothing"));
        assert!("1".repeat(101).parse::<Prompt>().unwrap_err().starts_with("101 digits"));
    }
}
