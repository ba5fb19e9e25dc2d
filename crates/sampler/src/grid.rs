//! `--grid`: rows and columns, as they are typed: `4x6`.

use std::str::FromStr;

/// Rows and columns; at least one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Images under each other.
    pub rows: usize,
    /// Images side by side.
    pub columns: usize,
}

/// More than anyone looks at, and little enough that the product is a number.
const MOST: usize = 10_000;

impl FromStr for Grid {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |part: &str| part.trim().parse().ok().filter(|number| (1..=MOST).contains(number));
        let sides = text.split_once(['x', 'X', '×']);
        match sides.and_then(|(rows, columns)| Some((number(rows)?, number(columns)?))) {
            Some((rows, columns)) => Ok(Self { rows, columns }),
            None => Err(format!("`{text}` is no grid; write rows and columns, each from 1 to {MOST}, such as 4x6")),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_first() {
        for text in ["4x6", "4X6", "4 × 6"] {
            assert_eq!(text.parse(), Ok(Grid { rows: 4, columns: 6 }));
        }
        assert_eq!("1x10000".parse(), Ok(Grid { rows: 1, columns: MOST }));
    }

    #[test]
    fn what_is_no_grid_is_named() {
        for text in
            ["", "4", "x", "4x", "x6", "0x6", "4x0", "-1x2", "4x6x8", "10001x1", "4,6", "99999999999999999999x1"]
        {
            let complaint = text.parse::<Grid>().unwrap_err();
            assert!(complaint.starts_with(&format!("`{text}` is no grid")), "{complaint}");
        }
    }
}
