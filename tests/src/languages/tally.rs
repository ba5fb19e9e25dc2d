//! What a tool accepted, for the record of observations.

use std::collections::BTreeMap;

use crate::harness::{Kind, Observation};

/// Counts the modules of each kernel that a tool accepted.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<&'static str, usize>);

impl Tally {
    /// One more module of a kernel.
    pub fn accepted(&mut self, kernel: &'static str) {
        *self.0.entry(kernel).or_default() += 1;
    }

    /// Records an observation for each kernel; `case` says what was asked of the tool.
    pub fn record(self, tool: &str, case: &str) {
        for (kernel, elements) in self.0 {
            let (kernel, device, case) = (kernel.to_owned(), tool.to_owned(), case.to_owned());
            let (error, share, reason) = (0.0, 0.0, String::new());
            Observation { kind: Kind::Language, kernel, device, case, elements, error, share, reason }.record();
        }
    }
}
