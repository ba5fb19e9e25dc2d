//! What is to be drawn.

use std::fmt;

use dit::Config;

use crate::lists::Scales;

/// A panel of images for every guidance scale, in it a row for every digit.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The sizes of the model, and with them of an image.
    pub config: Config,
    /// The class of each row.
    pub digits: Vec<u32>,
    /// Images in a row.
    pub count: usize,
    /// The guidance scale of each panel.
    pub guidance: Scales,
}

impl Plan {
    /// The label of every image of a panel, row by row.
    pub fn labels(&self) -> Vec<u32> {
        self.digits.iter().flat_map(|&digit| std::iter::repeat_n(digit, self.count)).collect()
    }

    /// All images of all panels.
    pub fn images(&self) -> usize {
        self.guidance.len() * self.digits.len() * self.count
    }

    /// Panels of grey, in the place of those that are still to be drawn.
    pub fn blank(&self) -> Vec<Vec<f32>> {
        vec![vec![0.0; self.digits.len() * self.count * self.config.image_size()]; self.guidance.len()]
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (images, digits) = (counted(self.images(), "image"), counted(self.digits.len(), "digit"));
        write!(f, "{images}, {digits} × {}; guidance {}", self.count, self.guidance)
    }
}

/// A number of things: `1 step`, `2 steps`.
pub fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dit::FlowPath;

    use super::*;

    fn plan(digits: &[u32], count: usize, guidance: &str) -> Plan {
        let config = Config {
            side: 4,
            channels: 3,
            patch: 2,
            width: 8,
            depth: 1,
            heads: 2,
            classes: 10,
            time_scale: 1.0,
            path: FlowPath::CondOt,
            variant: dit::Variant::DIT,
        };
        Plan { config, digits: digits.to_vec(), count, guidance: guidance.parse().unwrap() }
    }

    #[test]
    fn labels_go_row_by_row() {
        let plan = plan(&[3, 1], 2, "1,3,5");
        assert_eq!(plan.labels(), [3, 3, 1, 1]);
        assert_eq!(plan.images(), 12);
        assert_eq!(plan.blank(), vec![vec![0.0; 4 * 3 * 4 * 4]; 3]);
    }

    #[test]
    fn a_plan_reads_well() {
        assert_eq!(plan(&[3, 1], 2, "1,3.5").to_string(), "8 images, 2 digits × 2; guidance 1,3.5");
        assert_eq!(plan(&[3], 1, "3").to_string(), "1 image, 1 digit × 1; guidance 3");
    }
}
