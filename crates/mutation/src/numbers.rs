//! Other numbers in place of numbers, in WGSL and Rust alike.

/// A float with as many digits as this is the result of a calculation; doubling it would be too crude.
const PRECISE: usize = 4;

/// The literal of another number: the next integer; twice the float, or one for zero, or 1 % more where
/// it has many digits. `None` for what is no number.
pub fn other(literal: &str) -> Option<String> {
    let plain = literal.replace('_', "");
    if let Some(hexadecimal) = plain.strip_prefix("0x") {
        let digits = hexadecimal.trim_end_matches(|digit: char| !digit.is_ascii_hexdigit());
        let value = u64::from_str_radix(digits, 16).ok()?;
        return Some(format!("{:#x}{}", next(value), &hexadecimal[digits.len()..]));
    }
    let end = plain.find(|part: char| part.is_ascii_alphabetic() && part != 'e').unwrap_or(plain.len());
    let (digits, suffix) = plain.split_at(end);
    if let Ok(value) = digits.parse::<u64>()
        && !suffix.starts_with('f')
        && !suffix.starts_with('h')
    {
        return Some(format!("{}{suffix}", next(value)));
    }
    let value: f64 = digits.parse().ok()?;
    let mantissa = digits.split('e').next().unwrap_or_default();
    let significant = mantissa.trim_start_matches(['0', '.']).trim_end_matches('0').replace('.', "").len();
    Some(match value {
        0.0 => format!("1.0{suffix}"),
        _ if significant >= PRECISE => format!("{:e}{suffix}", (value * 1.01) as f32),
        _ => format!("{:?}{suffix}", 2.0 * value),
    })
}

/// The next integer; the one before the last.
fn next(value: u64) -> u64 {
    if value == u64::from(u32::MAX) { value - 1 } else { value + 1 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // a test fails by panicking
mod tests {
    use super::*;

    #[test]
    fn integers_go_up_by_one() {
        assert_eq!(
            ["0", "64u", "1_000", "0x7fu", "0xffffffff", "3usize"].map(|number| other(number).unwrap()),
            ["1", "65u", "1001", "0x80u", "0xfffffffe", "4usize"]
        );
    }

    #[test]
    fn floats_are_doubled_or_grow_a_little() {
        assert_eq!(
            ["0.0", "1.0", "0.5f", "15.0", "1e-3", "2f32"].map(|number| other(number).unwrap()),
            ["1.0", "2.0", "1.0f", "30.0", "0.002", "4.0f32"]
        );
        assert_eq!(["0.044715", "7.037_683_6e-2"].map(|number| other(number).unwrap()), ["4.516215e-2", "7.10806e-2"]);
    }

    #[test]
    fn words_are_no_numbers() {
        assert_eq!([other("x"), other("e")], [None, None]);
    }
}
