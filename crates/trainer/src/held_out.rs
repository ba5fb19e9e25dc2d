//! Images that training never sees, and their loss.

use datasets::Dataset;
use dit::Dit;
use flow::{TIME_BINS, loss_by_time};
use runtime::Stream;

/// Images at most: with every tenth of time they take about as long as a dozen steps of training with 64 images.
const COUNT: usize = 256;

/// Some images of the test split.
pub struct HeldOut {
    images: Vec<u8>,
    labels: Vec<u8>,
}

impl HeldOut {
    /// Images evenly apart, so that a sorted split gives all classes; none of an empty split.
    pub fn of(test: &Dataset) -> Option<Self> {
        let count = test.count().min(COUNT);
        if count == 0 {
            return None;
        }
        let places: Vec<usize> = (0..count).map(|index| index * test.count() / count).collect();
        let size = test.images().len() / test.count();
        Some(Self {
            images: places.iter().flat_map(|place| &test.images()[place * size..][..size]).copied().collect(),
            labels: places.iter().map(|place| test.labels()[*place]).collect(),
        })
    }

    /// The loss in each tenth of time, `batch` images at once.
    pub fn loss(&self, stream: &mut Stream, model: &Dit, batch: usize) -> runtime::Result<[f64; TIME_BINS]> {
        loss_by_time(stream, model, &self.images, &self.labels, batch)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_sorted_split_gives_all_classes_and_a_small_one_everything() {
        let sorted: Vec<u8> = (0..10).flat_map(|class| [class; 77]).collect();
        let bytes = |labels: &[u8]| labels.iter().flat_map(|label| [*label, 255 - label, 0, 0]).collect::<Vec<_>>();
        let held_out = HeldOut::of(&Dataset::new(bytes(&sorted), sorted.clone(), 1, 2, 10).unwrap()).unwrap();
        assert_eq!(held_out.labels.len(), COUNT);
        assert_eq!(held_out.images, bytes(&held_out.labels), "images keep their labels");
        for class in 0..10 {
            let of_class = held_out.labels.iter().filter(|label| **label == class).count();
            assert!((25..=26).contains(&of_class), "{of_class} of class {class}");
        }
        let one = HeldOut::of(&Dataset::new(bytes(&[3]), vec![3], 1, 2, 10).unwrap()).unwrap();
        assert_eq!((one.images, one.labels), (bytes(&[3]), vec![3]));
    }
}
