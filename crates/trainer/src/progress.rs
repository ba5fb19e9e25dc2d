//! What the user sees while training.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use flow::StepRecord;
use indicatif::{ProgressBar, ProgressStyle};
use programs::say;

/// Between lines, where there is no terminal for a bar.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// A bar on a terminal, and now and then a line elsewhere.
pub struct Progress {
    bar: ProgressBar,
    is_terminal: bool,
    steps: u32,
    batch: usize,
    measured: (Instant, u32),
    last_line: Option<Instant>,
    loss: f64,
    images_a_second: f64,
}

impl Progress {
    /// Progress from step `first` of `steps`.
    pub fn new(first: u32, steps: u32, batch: usize) -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let bar = if is_terminal { ProgressBar::new(u64::from(steps)) } else { ProgressBar::hidden() };
        let template = "{wide_bar} {pos}/{len} steps  {msg}  {elapsed} gone, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_position(u64::from(first));
        bar.reset_eta();
        let measured = (Instant::now(), first);
        Self { bar, is_terminal, steps, batch, measured, last_line: None, loss: f64::NAN, images_a_second: 0.0 }
    }

    /// Steps were finished.
    pub fn update(&mut self, records: &[StepRecord]) {
        let Some(last) = records.last() else { return };
        let mean = records.iter().map(|record| f64::from(record.loss)).sum::<f64>() / records.len() as f64;
        // Smoothed over two or three readings: the loss of a batch depends on the times it drew.
        self.loss = if self.loss.is_nan() { mean } else { 0.5 * self.loss + 0.5 * mean };
        let (since, step) = self.measured;
        let seconds = since.elapsed().as_secs_f64();
        self.images_a_second = f64::from(last.step - step) * self.batch as f64 / seconds.max(1e-9);
        self.measured = (Instant::now(), last.step);
        let message = format!("loss {:.4}  {:.0} images/s", self.loss, self.images_a_second);
        self.bar.set_position(u64::from(last.step));
        self.bar.set_message(message.clone());
        let finished = last.step == self.steps;
        let due = self.last_line.is_none_or(|line| line.elapsed() >= LINE_EVERY);
        if !self.is_terminal && (due || finished) {
            self.last_line = Some(Instant::now());
            let left = f64::from(self.steps - last.step) * self.batch as f64 / self.images_a_second.max(1e-9);
            say(format_args!("step {}/{}  {message}  {:.0} s left", last.step, self.steps, left));
        }
    }

    /// Time went by that was not training.
    pub fn pause_over(&mut self) {
        self.measured.0 = Instant::now();
    }

    /// Prints a line above the bar.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| say(line));
    }

    /// Leaves the last state of the bar standing.
    pub fn finish(&self) {
        self.bar.abandon();
    }

    /// The loss as it is shown.
    pub fn loss(&self) -> f64 {
        self.loss
    }
}
