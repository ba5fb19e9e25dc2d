//! Lists as they are typed: `0-2,7` and `1,3,5`.

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

/// Digits in the order given; not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digits(Vec<u32>);

/// Guidance scales in the order given, each finite; not empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Scales(Vec<f32>);

impl Default for Scales {
    fn default() -> Self {
        Self(vec![programs::GUIDANCE])
    }
}

impl FromStr for Digits {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut digits = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            match (digit(first), digit(last)) {
                (Some(first), Some(last)) if first <= last => digits.extend(first..=last),
                (Some(_), Some(_)) => {
                    return Err(format!("the range {part} runs backwards; write {last}-{first}"));
                }
                _ => {
                    return Err(format!(
                        "`{part}` is no digit and no range of digits; write such as 0-9, 3,1,4 or 0-2,7"
                    ));
                }
            }
        }
        Ok(Self(digits))
    }
}

/// No model has more classes than a `u16` can tell apart, and so no range can fill the memory.
fn digit(text: &str) -> Option<u32> {
    text.trim().parse::<u16>().ok().map(u32::from)
}

impl FromStr for Scales {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scale = |part: &str| {
            let finite = part.trim().parse().ok().filter(|scale: &f32| scale.is_finite());
            finite.ok_or_else(|| {
                format!("`{part}` is no finite number; write one scale such as 3, or several such as 1,3,5")
            })
        };
        text.split(',').map(scale).collect::<Result<_, _>>().map(Self)
    }
}

impl Deref for Digits {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        &self.0
    }
}

impl Deref for Scales {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl fmt::Display for Scales {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scales: Vec<_> = self.iter().map(f32::to_string).collect();
        f.write_str(&scales.join(","))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn digits_keep_their_order() {
        let read = |text: &str| text.parse::<Digits>().unwrap().to_vec();
        assert_eq!(read("0-9"), (0..10).collect::<Vec<_>>());
        assert_eq!(read("3,1,4"), [3, 1, 4]);
        assert_eq!(read("0-2, 7,7"), [0, 1, 2, 7, 7]);
        assert_eq!(read("5-5"), [5]);
        assert_eq!(read("999"), [999]);
    }

    #[test]
    fn what_is_no_list_of_digits_is_named() {
        for text in ["", "a", "1,", "-1", "1-", "1-2-3", "1.5", "99999", "0-4000000000"] {
            let complaint = text.parse::<Digits>().unwrap_err();
            assert!(complaint.contains("is no digit"), "{text}: {complaint}");
        }
        assert_eq!("9-0".parse::<Digits>().unwrap_err(), "the range 9-0 runs backwards; write 0-9");
    }

    #[test]
    fn scales_are_finite() {
        assert_eq!("1,3,5".parse::<Scales>().unwrap().to_vec(), [1.0, 3.0, 5.0]);
        assert_eq!("-1.5".parse::<Scales>().unwrap().to_vec(), [-1.5]);
        assert_eq!("1, 2.50".parse::<Scales>().unwrap().to_string(), "1,2.5");
        for text in ["", "nan", "inf", "1,", "three", "1e39"] {
            assert!(text.parse::<Scales>().unwrap_err().contains("is no finite number"), "{text}");
        }
    }
}
