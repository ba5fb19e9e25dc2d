//! `--interpolate`: what lies between two digits, and between two seeds.

use std::fmt;
use std::str::FromStr;

use dit::{Config, Weights};

/// From where to where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interpolation {
    /// From one class to another.
    Digits(u32, u32),
    /// From the noise of one seed to that of another.
    Seeds(u64, u64),
}

impl FromStr for Interpolation {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no way between two digits or two seeds; write such as 3..8 or seeds=1..2");
        let (seeds, ends) = match text.split_once('=') {
            Some((what, ends)) if what.trim() == "seeds" => (true, ends),
            Some((what, ends)) if what.trim() == "digits" => (false, ends),
            Some(_) => return Err(wrong()),
            None => (false, text),
        };
        let (from, to) = ends.split_once("..").map(|(from, to)| (from.trim(), to.trim())).ok_or_else(wrong)?;
        if from == to && !from.is_empty() {
            return Err(format!("from {from} to {to} there is nothing in between; give two that differ"));
        }
        if seeds {
            let seed = |text: &str| text.parse().map_err(|_| wrong());
            Ok(Self::Seeds(seed(from)?, seed(to)?))
        } else {
            // No model has more classes than a `u16` can tell apart.
            let digit = |text: &str| text.parse::<u16>().map(u32::from).map_err(|_| wrong());
            Ok(Self::Digits(digit(from)?, digit(to)?))
        }
    }
}

impl fmt::Display for Interpolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits(from, to) => write!(f, "from {from} to {to}"),
            Self::Seeds(from, to) => write!(f, "from seed {from} to {to}"),
        }
    }
}

/// How far image `index` out of `count`, at least 2, is on the way: 0 for the first, 1 for the last.
fn share(index: usize, count: usize) -> f64 {
    index as f64 / (count - 1) as f64
}

/// The table of labels.
const LABELS: &str = "y_embedder.embedding_table.weight";

/// Weights with `count` classes more than they had: the first is class `from`, the last class `to`, and those in
/// between are mixtures of both rows of the table of labels. They are numbered from the last class on; the null
/// class comes after them. `from` and `to` are classes.
pub fn with_classes_between(weights: &Weights, from: u32, to: u32, count: usize) -> Weights {
    let Config { classes, width, .. } = weights.config;
    let mut more = weights.clone();
    more.config.classes += count;
    let specs = weights.config.parameters();
    for (_, table) in specs.iter().zip(&mut more.values).filter(|(spec, _)| spec.name == LABELS) {
        let row = |class: u32| &table[class as usize * width..][..width];
        let between = |index| row(from).iter().zip(row(to)).map(move |(a, b)| mix(*a, *b, share(index, count)));
        let rows: Vec<f32> = (0..count).flat_map(between).collect();
        let null = classes * width;
        table.splice(null..null, rows);
    }
    more
}

fn mix(from: f32, to: f32, share: f64) -> f32 {
    ((1.0 - share) * f64::from(from) + share * f64::from(to)) as f32
}

/// `count` noises from one to the other, along the great circle through both: each as long as they are, as a
/// mean of two noises is not (Shoemake, Animating rotation with quaternion curves, 1985).
pub fn noises_between(from: &[f32], to: &[f32], count: usize) -> Vec<f32> {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    let cosine = dot(from, to) / (dot(from, from) * dot(to, to)).sqrt();
    let angle = cosine.clamp(-1.0, 1.0).acos();
    (0..count)
        .flat_map(|index| {
            let share = share(index, count);
            // Noises are nearly at right angles; only those of a few elements can be in line.
            let [a, b] = [1.0 - share, share]
                .map(|part| if angle.sin() > 1e-6 { (part * angle).sin() / angle.sin() } else { part });
            from.iter().zip(to).map(move |(from, to)| (a * f64::from(*from) + b * f64::from(*to)) as f32)
        })
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn both_grammars_are_read() {
        assert_eq!("3..8".parse(), Ok(Interpolation::Digits(3, 8)));
        assert_eq!("digits=8 .. 3".parse(), Ok(Interpolation::Digits(8, 3)));
        assert_eq!("seeds=1..18446744073709551615".parse(), Ok(Interpolation::Seeds(1, u64::MAX)));
    }

    #[test]
    fn what_has_no_two_ends_is_named() {
        for text in
            ["", "3", "3..", "..8", "..", "a..b", "3-8", "seeds=1", "seeds=a..b", "steps=1..2", "-1..3", "70000..1"]
        {
            let complaint = text.parse::<Interpolation>().unwrap_err();
            assert!(complaint.contains("3..8") && complaint.contains("seeds=1..2"), "{complaint}");
        }
        assert!("3..3".parse::<Interpolation>().unwrap_err().contains("nothing in between"));
    }

    #[test]
    fn classes_in_between_are_new_rows_before_the_null_class() {
        let config = Config {
            side: 4,
            channels: 1,
            patch: 2,
            width: 8,
            depth: 1,
            heads: 2,
            classes: 3,
            time_scale: 1.0,
            path: dit::FlowPath::CondOt,
            variant: dit::Variant::DIT,
        };
        let values = config
            .parameters()
            .into_iter()
            .map(|spec| (0..spec.shape.iter().product()).map(|i: usize| i as f32).collect());
        let weights = Weights { config, values: values.collect(), positions: vec![0.0; 32] };
        let more = with_classes_between(&weights, 2, 0, 3);
        assert_eq!(more.config.classes, 6);
        let sizes = more.config.parameters().iter().map(|spec| spec.shape.iter().product()).collect::<Vec<usize>>();
        assert_eq!(more.values.iter().map(Vec::len).collect::<Vec<_>>(), sizes);
        let row = |weights: &Weights, class: usize| weights.values.last().unwrap()[8 * class..][..8].to_vec();
        assert_eq!(row(&more, 3), row(&weights, 2));
        assert_eq!(row(&more, 4), row(&weights, 1), "the middle of rows 0 and 2, which count on");
        assert_eq!(row(&more, 5), row(&weights, 0));
        assert_eq!(row(&more, 6), row(&weights, 3), "the null class is still the last");
        assert_eq!(row(&more, 1), row(&weights, 1));
    }

    #[test]
    fn noises_in_between_are_as_long_as_the_ends() {
        let noise = |phase: f32| (0..784).map(|i| (i as f32 * 0.37 + phase).sin() * 1.4).collect::<Vec<f32>>();
        let (from, to) = (noise(0.0), noise(1.9));
        let between = noises_between(&from, &to, 5);
        let length = |values: &[f32]| values.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert_eq!((&between[..784], &between[4 * 784..]), (&from[..], &to[..]));
        let (a, b) = (length(&from), length(&to));
        for noise in between.chunks(784) {
            // A mean of these two would be as short as 0.6 of them.
            assert!((a.min(b) * 0.99..a.max(b) * 1.01).contains(&length(noise)), "{} of {a} and {b}", length(noise));
        }
        let opposite: Vec<f32> = from.iter().map(|value| -value).collect();
        assert!(noises_between(&from, &opposite, 3).iter().all(|value| value.is_finite()));
    }
}
