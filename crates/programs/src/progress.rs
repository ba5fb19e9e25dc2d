//! How far drawing is.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar of steps, on standard error, and only where that is a terminal.
pub fn steps_bar(steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(steps as u64);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos}/{len} steps, {elapsed} gone, {eta} left") {
        bar.set_style(style);
    }
    bar
}
