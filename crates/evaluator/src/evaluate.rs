//! All figures of a set of digits, each beside what real digits get.

use anyhow::{Result, ensure};
use datasets::{Dataset, Splits};
use runtime::Stream;
use serde::Serialize;

use crate::classifier::{Classifier, Output, Weights};
use crate::metrics::{
    duplicates, frechet_distance, level_of_background, manifold, nearest, nearest_other, pooled, quantile,
    share_of_black,
};
use crate::samples::{CLASSES, SIDE, SIZE, Samples};

/// Pixel-space distances are between means of squares of so many pixels a side: 49 columns, which a few hundred
/// digits fill, where 784 would leave covariances without full rank.
const POOL: usize = 4;
/// Distances below this quantile of what real digits have count as near copies.
const NEAR: f64 = 0.01;
/// Test digits of each class whose distances to training digits say what is near.
const NEAR_DIGITS: usize = 200;

/// The figures of a set of digits. What a set is too small for is `None`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// The share of digits that the classifier takes for what was asked for: 0 to 1.
    pub accuracy: f64,
    /// The Fréchet distance to the 10,000 test digits in the classifier's features.
    pub frechet_distance: Option<f64>,
    /// The same in pixels, pooled 4×4 to (7, 7) and scaled to [0, 1].
    pub frechet_distance_pixels: Option<f64>,
    /// Improved precision in the classifier's features, against as many test digits of the same classes: 0 to 1.
    pub precision: Option<f64>,
    /// Improved recall, likewise: 0 to 1.
    pub recall: Option<f64>,
    /// Density, likewise: 0 and up.
    pub density: Option<f64>,
    /// Coverage, likewise: 0 to 1.
    pub coverage: Option<f64>,
    /// The median L2 distance to the nearest training digit, pixels in [0, 1].
    pub nearest_training_digit: f64,
    /// The share nearer to a training digit than all but 1 % of test digits are: 0.01 is what chance gives.
    pub near_copies: f64,
    /// The share nearer to another of the set than all but 1 % of as many test digits are to one another.
    pub near_one_another: Option<f64>,
    /// Digits that are, byte for byte, one of the set before them.
    pub duplicates: usize,
    /// The share of pixels that are exactly black: 0 to 1.
    pub black_pixels: f64,
    /// The mean level, of 255, of pixels below 26.
    pub background_level: f64,
}

/// What sets of digits are compared with.
pub struct Evaluator {
    splits: Splits,
    classifier: Classifier,
    /// All test digits' features, and their means of pixels.
    test: Output,
    test_pooled: Vec<f32>,
    training_pixels: Vec<f32>,
    /// The distance to a training digit that 1 % of test digits are below.
    near: f64,
}

impl Evaluator {
    /// Classifies the test digits, and measures how near they are to training digits.
    ///
    /// # Errors
    /// What the device reports, and a built-in classifier or data set that is damaged.
    pub fn new(stream: &mut Stream) -> Result<Self> {
        let splits = datasets::mnist()?;
        let weights = Weights::built_in()?;
        let classifier = Classifier::new(stream, weights.config, &weights.values)?;
        let test = classifier.classify(stream, splits.test.images())?;
        let training_pixels = pixels(splits.train.images());
        let some = first_of(&splits.test, [NEAR_DIGITS; CLASSES])?;
        let near = quantile(&nearest(&pixels(&some.images), &training_pixels, SIZE), NEAR);
        let test_pooled = pooled(splits.test.images(), SIDE, POOL);
        Ok(Self { splits, classifier, test, test_pooled, training_pixels, near })
    }

    /// The classifier's accuracy on all test digits: 0 to 1.
    pub fn accuracy(&self) -> f64 {
        agreement(&self.test.classes, self.splits.test.labels())
    }

    /// The first test digits, `counts` of each class.
    ///
    /// # Errors
    /// Where there are fewer.
    pub fn test_digits(&self, counts: [usize; CLASSES]) -> Result<Samples> {
        first_of(&self.splits.test, counts)
    }

    /// What real digits get in the place of others: the first training digits, `counts` of each class. The distance to
    /// the nearest training digit is that of test digits.
    ///
    /// # Errors
    /// As [`Evaluator::figures`].
    pub fn floor(&self, stream: &mut Stream, counts: [usize; CLASSES]) -> Result<Figures> {
        self.compare(stream, &first_of(&self.splits.train, counts)?, &self.test_digits(counts)?)
    }

    /// The figures of a set of digits.
    ///
    /// # Errors
    /// What the device reports, and a class of which there are more digits than MNIST has test digits.
    pub fn figures(&self, stream: &mut Stream, samples: &Samples) -> Result<Figures> {
        self.compare(stream, samples, samples)
    }

    /// The figures of `samples`, but for the distances to training digits, which are those of `beside_training`.
    fn compare(&self, stream: &mut Stream, samples: &Samples, beside_training: &Samples) -> Result<Figures> {
        let output = self.classifier.classify(stream, &samples.images)?;
        let real = self.test_digits(samples.counts())?;
        let (features, width) = (&output.features, self.classifier.config().width);
        let manifold = manifold(&self.classifier.classify(stream, &real.images)?.features, features, width);
        let (own, others) = (pixels(&samples.images), pixels(&real.images));
        let distances = nearest(&pixels(&beside_training.images), &self.training_pixels, SIZE);
        let apart = (samples.labels.len() > 1).then(|| {
            let near = quantile(&nearest_other(&others, SIZE), NEAR);
            share_below(&nearest_other(&own, SIZE), near)
        });
        let own_pooled = pooled(&samples.images, SIDE, POOL);
        Ok(Figures {
            accuracy: agreement(&output.classes, &samples.labels),
            frechet_distance: frechet_distance(features, &self.test.features, width),
            frechet_distance_pixels: frechet_distance(&own_pooled, &self.test_pooled, (SIDE / POOL).pow(2)),
            precision: manifold.map(|manifold| manifold.precision),
            recall: manifold.map(|manifold| manifold.recall),
            density: manifold.map(|manifold| manifold.density),
            coverage: manifold.map(|manifold| manifold.coverage),
            nearest_training_digit: quantile(&distances, 0.5),
            near_copies: share_below(&distances, self.near),
            near_one_another: apart,
            duplicates: duplicates(&samples.images, SIZE),
            black_pixels: share_of_black(&samples.images),
            background_level: level_of_background(&samples.images),
        })
    }
}

/// The first digits of a data set, `counts` of each class, class by class.
fn first_of(data: &Dataset, counts: [usize; CLASSES]) -> Result<Samples> {
    let mut samples = Samples { images: Vec::new(), labels: Vec::new() };
    for (class, count) in counts.into_iter().enumerate() {
        let places = (0..data.count()).filter(|place| usize::from(data.labels()[*place]) == class);
        let places: Vec<usize> = places.take(count).collect();
        ensure!(
            places.len() == count,
            "there are {count} digits {class} to evaluate, but only {} real ones to compare with; use fewer",
            places.len()
        );
        places.iter().for_each(|place| samples.images.extend(&data.images()[place * SIZE..][..SIZE]));
        samples.labels.resize(samples.labels.len() + count, class as u8);
    }
    Ok(samples)
}

fn pixels(images: &[u8]) -> Vec<f32> {
    images.iter().map(|pixel| f32::from(*pixel) / 255.0).collect()
}

/// The share of digits that are found to be what was asked for: 0 to 1.
pub fn agreement(found: &[u8], asked: &[u8]) -> f64 {
    found.iter().zip(asked).filter(|(found, asked)| found == asked).count() as f64 / asked.len() as f64
}

fn share_below(values: &[f32], bound: f64) -> f64 {
    values.iter().filter(|value| f64::from(**value) < bound).count() as f64 / values.len() as f64
}
