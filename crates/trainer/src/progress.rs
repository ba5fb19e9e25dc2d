//! What the user sees while training.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use flow::StepRecord;
use image::DynamicImage;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
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
    held_out: Option<f64>,
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
        let (loss, images_a_second) = (f64::NAN, 0.0);
        Self { bar, is_terminal, steps, batch, measured, last_line: None, loss, held_out: None, images_a_second }
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
        let held_out = self.held_out.map_or(String::new(), |loss| format!("  held out {loss:.4}"));
        let message = format!("loss {:.4}{held_out}  {:.0} images/s", self.loss, self.images_a_second);
        self.bar.set_position(u64::from(last.step));
        self.bar.set_message(message.clone());
        let finished = last.step == self.steps;
        let due = self.last_line.is_none_or(|line| line.elapsed() >= LINE_EVERY);
        if !self.is_terminal && (due || finished) {
            self.last_line = Some(Instant::now());
            let left = if finished { String::new() } else { format!("  {} left", self.left(last.step)) };
            say(format_args!("step {}/{}  {message}{left}", last.step, self.steps));
        }
    }

    /// The loss on held-out images was taken.
    pub fn held_out(&mut self, loss: f64) {
        self.held_out = Some(loss);
    }

    /// The time that the steps after `step` take at the rate of the last ones, in words.
    fn left(&self, step: u32) -> HumanDuration {
        let seconds = f64::from(self.steps - step) * self.batch as f64 / self.images_a_second;
        // No rate yet, or none to speak of, is no time that can be told.
        HumanDuration(Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// What a line about the run says after `step`.
    pub fn summary(&self, step: u32) -> Option<String> {
        let held_out = self.held_out.map_or(String::new(), |loss| format!(", held out {loss:.4}"));
        let left = if step < self.steps { format!(", {} left", self.left(step)) } else { String::new() };
        (self.images_a_second > 0.0)
            .then(|| format!("loss {:.4}{held_out}, {:.0} images a second{left}", self.loss, self.images_a_second))
    }

    /// Time went by that was not training.
    pub fn pause_over(&mut self) {
        self.measured.0 = Instant::now();
    }

    /// Prints a line above the bar.
    pub fn say(&self, line: &str) {
        self.bar.suspend(|| say(line));
    }

    /// Shows a picture above the bar, on a terminal that can.
    pub fn show(&self, picture: &DynamicImage) {
        self.bar.suspend(|| programs::show(picture));
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
