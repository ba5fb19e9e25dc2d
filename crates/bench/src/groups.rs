//! Launches of a profile put together: those of one kernel that do the same work.

use std::collections::HashMap;

use runtime::KernelSpan;

use crate::statistics::median;
use crate::work::{Work, shape, work};

/// All launches of a kernel at a shape.
#[derive(Clone, Debug)]
pub struct Group {
    /// The kernel's name.
    pub kernel: &'static str,
    /// Sizes and options.
    pub shape: String,
    /// What one launch has to do; nothing for a kernel that nobody described.
    pub work: Option<Work>,
    /// Of each launch.
    pub seconds: Vec<f64>,
}

impl Group {
    /// The median time of a launch, in seconds.
    pub fn time(&self) -> f64 {
        median(&self.seconds)
    }

    /// The time of all launches.
    pub fn total(&self) -> f64 {
        self.seconds.iter().sum()
    }

    /// Operations a second, in 10⁹, at the median.
    pub fn gigaflops(&self) -> Option<f64> {
        self.work.map(|work| 1e-9 * work.operations / self.time())
    }

    /// Bytes a second, in 10⁹, at the median.
    pub fn gigabytes(&self) -> Option<f64> {
        self.work.map(|work| 1e-9 * work.bytes / self.time())
    }
}

/// Groups launches, the groups that take longest first.
pub fn groups<'a>(spans: impl IntoIterator<Item = &'a KernelSpan>) -> Vec<Group> {
    let mut places: HashMap<(&str, String), usize> = HashMap::new();
    let mut groups: Vec<Group> = Vec::new();
    for span in spans {
        let (kernel, shape) = (span.kernel.name, shape(span));
        let place = *places.entry((kernel, shape.clone())).or_insert(groups.len());
        if place == groups.len() {
            groups.push(Group { kernel, shape, work: work(span), seconds: Vec::new() });
        }
        groups[place].seconds.push(span.duration.as_secs_f64());
    }
    groups.sort_by(|one, other| other.total().total_cmp(&one.total()));
    groups
}
