//! Pictures in the terminal.

use std::{
    env,
    io::{self, IsTerminal, Write},
};

use image::DynamicImage;

/// Shows a picture at the cursor when standard output is a terminal, as finely as the terminal can: by the
/// kitty, iTerm2 or sixel protocol, else in coloured half blocks, one or two pixels to a character.
/// It is made smaller where needed to fit the terminal, never larger than a pixel to a column.
///
/// Gives whether the picture was shown: not when standard output is a file or a pipe, nor when the terminal
/// can show no pictures or failed to. Then nothing has been lost but the showing.
pub fn show(image: &DynamicImage) -> bool {
    let term = variable("TERM");
    if !io::stdout().is_terminal() || term == "dumb" {
        return false;
    }
    let (columns, rows) = viuer::terminal_size();
    let (width, height) = fit(image.width(), image.height(), columns, rows);
    let protocol = Protocol::named_by(&term, variable);
    let config = viuer::Config {
        absolute_offset: false,
        width: Some(width),
        height: Some(height),
        use_kitty: protocol == Protocol::Kitty,
        use_sixel: protocol == Protocol::Sixel,
        ..viuer::Config::default()
    };
    let shown = viuer::print(image, &config).is_ok();
    // After a sixel picture the cursor is on its last line.
    shown && (protocol != Protocol::Sixel || writeln!(io::stdout()).is_ok())
}

/// An environment variable, or nothing.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// A protocol that viuer asks the terminal about before it uses it.
///
/// It waits for the answer without end, and what records or replays a session (`script`, `expect`, a
/// pseudo-terminal in a test) never answers; so only a terminal that says by its environment that it
/// knows the protocol is asked. iTerm2's needs no question.
#[derive(Debug, PartialEq, Eq)]
enum Protocol {
    Kitty,
    Sixel,
    /// iTerm2's where the environment names it, else half blocks.
    Unasked,
}

impl Protocol {
    /// `term` is TERM, `variable` looks up any other.
    fn named_by(term: &str, variable: impl Fn(&str) -> String) -> Self {
        let multiplexed = term.starts_with("tmux") || term.starts_with("screen");
        if multiplexed {
            Self::Unasked
        } else if term.contains("kitty") || term.contains("ghostty") {
            Self::Kitty
        } else if term.starts_with("foot")
            || term.starts_with("mlterm")
            || term.contains("sixel")
            || !variable("WT_SESSION").is_empty()
        {
            Self::Sixel
        } else {
            Self::Unasked
        }
    }
}

/// Columns and rows of characters for a picture in a terminal of `columns` and `rows`: a character is one
/// pixel wide and two high, and two rows are left for the prompt. Both are at least 1.
fn fit(width: u32, height: u32, columns: u16, rows: u16) -> (u32, u32) {
    let (width, height) = (u64::from(width.max(1)), u64::from(height.max(1)));
    let (widest, tallest) = (u64::from(columns), 2 * u64::from(rows.saturating_sub(2)));
    let columns = width.min(widest).min(width * tallest / height).max(1);
    let rows = height.min(tallest).min(height * widest / width).div_ceil(2).max(1);
    // No more than a terminal has, which is less than 2^16.
    (columns as u32, rows as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_picture_keeps_its_size() {
        assert_eq!(fit(28, 28, 80, 24), (28, 14));
        assert_eq!(fit(1, 1, 80, 24), (1, 1));
        assert_eq!(fit(80, 43, 80, 24), (80, 22));
    }

    #[test]
    fn a_wide_picture_takes_the_width_and_a_tall_one_the_height() {
        assert_eq!(fit(800, 80, 80, 24), (80, 4));
        assert_eq!(fit(440, 880, 80, 24), (22, 22));
    }

    #[test]
    fn every_picture_fits_every_terminal() {
        for (width, height) in [(1, 10_000), (10_000, 1), (u32::MAX, u32::MAX), (301, 299)] {
            for (columns, rows) in [(80, 24), (20, 200), (1, 3), (0, 0)] {
                let (w, h) = fit(width, height, columns, rows);
                assert!(w >= 1 && w <= u32::from(columns).max(1), "{w} columns of {columns}");
                assert!(h >= 1 && h <= u32::from(rows.saturating_sub(2)).max(1), "{h} rows of {rows}");
            }
        }
    }

    #[test]
    fn only_a_terminal_that_names_itself_is_asked() {
        let none = |_: &str| String::new();
        let windows_terminal = |name: &str| {
            if name == "WT_SESSION" { "id".to_owned() } else { String::new() }
        };
        assert_eq!(Protocol::named_by("xterm-kitty", none), Protocol::Kitty);
        assert_eq!(Protocol::named_by("xterm-ghostty", none), Protocol::Kitty);
        assert_eq!(Protocol::named_by("foot", none), Protocol::Sixel);
        assert_eq!(Protocol::named_by("xterm-256color", windows_terminal), Protocol::Sixel);
        assert_eq!(Protocol::named_by("xterm-256color", none), Protocol::Unasked);
        assert_eq!(Protocol::named_by("screen-256color", windows_terminal), Protocol::Unasked);
        assert_eq!(Protocol::named_by("", none), Protocol::Unasked);
    }

    #[test]
    fn nothing_is_shown_where_output_is_no_terminal() {
        if !io::stdout().is_terminal() {
            assert!(!show(&DynamicImage::new_luma8(4, 4)));
        }
    }
}
