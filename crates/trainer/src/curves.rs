//! The loss as pictures: over steps, and over time on held-out images.

use flow::TIME_BINS;
use programs::{Chart, Corner, Curve, PALETTE, charts_svg, write_atomically};

use crate::folder::Folder;
use crate::table;

/// Width and height of a picture.
const SIZE: (u32, u32) = (520, 340);
/// Points of the curve of the training loss, at most: each is a mean, since the loss of one batch depends on the times
/// it drew.
const POINTS: usize = 250;
/// The loss of the first steps, this share of all, may be higher than the chart: it would flatten the rest.
const BEGINNING: f64 = 0.1;
/// Curves over time, at most.
const CURVES: usize = 5;
/// The first and the last of them.
const RAMP: [[u8; 3]; 2] = [[150, 158, 170], PALETTE[1]];

/// Draws both from what the run has written down; the second, and a `true`, where there are held-out losses.
pub fn write(folder: &Folder) -> anyhow::Result<bool> {
    let held_out: Vec<_> =
        table::read(&folder.held_out()).into_iter().filter(|row| row.len() == 2 + TIME_BINS).collect();
    let over_steps = loss(&table::read(&folder.metrics()), &held_out)?;
    write_atomically(folder.loss(), |file| file.write_all(over_steps.as_bytes()))?;
    if held_out.is_empty() {
        return Ok(false);
    }
    let over_time = loss_by_time(&held_out)?;
    write_atomically(folder.loss_by_time(), |file| file.write_all(over_time.as_bytes()))?;
    Ok(true)
}

/// Training loss, and held-out loss with the averaged weights, over steps.
fn loss(metrics: &[Vec<f64>], held_out: &[Vec<f64>]) -> anyhow::Result<String> {
    let point = |row: &Vec<f64>| Some((*row.first()?, *row.get(1)?));
    let steps: Vec<(f64, f64)> = metrics.iter().filter_map(point).collect();
    let mut training = thinned(&steps);
    let held_out: Vec<(f64, f64)> = held_out.iter().filter_map(point).collect();
    let last = steps.last().map_or(1.0, |(step, _)| step.max(1.0));
    let later = training.iter().filter(|(step, _)| *step >= BEGINNING * last);
    let highest = later.chain(&held_out).map(|(_, loss)| *loss).fold(0.0, f64::max);
    let top = if highest > 0.0 { 1.1 * highest } else { 1.0 };
    // The curve comes in at the top, and does not run along it.
    let above = training.iter().take_while(|(_, loss)| *loss > top).count();
    training.drain(..above.saturating_sub(1));
    let chart = Chart {
        title: "step",
        x: 0.0..last,
        y: 0.0..top,
        labels: 6,
        label: &|step| if step.fract() == 0.0 { format!("{step}") } else { String::new() },
        legend: Corner::UpperRight,
        curves: vec![
            Curve { name: "training".into(), colour: PALETTE[0], points: training, marked: false },
            Curve { name: "held out, averaged weights".into(), colour: PALETTE[1], points: held_out, marked: true },
        ],
    };
    charts_svg(&[chart], SIZE)
}

/// Held-out loss over time, a curve for each of some previews.
fn loss_by_time(held_out: &[Vec<f64>]) -> anyhow::Result<String> {
    let rows = some(held_out, CURVES);
    let highest = rows.iter().flat_map(|row| &row[2..]).copied().fold(0.0, f64::max);
    let middle = |bin: usize| (bin as f64 + 0.5) / TIME_BINS as f64;
    let curves = rows.iter().enumerate().map(|(index, row)| Curve {
        name: format!("step {}", row[0]),
        colour: mixed((index + 1) as f64 / rows.len() as f64),
        points: row[2..].iter().enumerate().map(|(bin, loss)| (middle(bin), *loss)).collect(),
        marked: index + 1 == rows.len(),
    });
    let chart = Chart {
        title: "time, from noise to image",
        x: 0.0..1.0,
        y: 0.0..if highest > 0.0 { 1.1 * highest } else { 1.0 },
        labels: 11,
        label: &|time| format!("{time:.1}"),
        legend: Corner::LowerLeft,
        curves: curves.collect(),
    };
    charts_svg(&[chart], SIZE)
}

/// Means over stretches of equal length: [`POINTS`] at most.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let length = points.len().div_ceil(POINTS).max(1);
    let mean = |stretch: &[(f64, f64)]| {
        let count = stretch.len() as f64;
        let sum = stretch.iter().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        (sum.0 / count, sum.1 / count)
    };
    points.chunks(length).map(mean).collect()
}

/// The first, the last, and what lies evenly between them: `most` at most.
fn some<T>(all: &[T], most: usize) -> Vec<&T> {
    let count = all.len().min(most);
    (0..count).map(|index| &all[index * (all.len() - 1) / (count - 1).max(1)]).collect()
}

/// A colour of the ramp: 0 is its first, 1 its last.
fn mixed(share: f64) -> [u8; 3] {
    let mix = |from: u8, to: u8| (f64::from(from) * (1.0 - share) + f64::from(to) * share).round() as u8;
    std::array::from_fn(|channel| mix(RAMP[0][channel], RAMP[1][channel]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_the_mean_and_a_bound() {
        for count in [0, 1, 249, 250, 251, 1000, 7504] {
            let points: Vec<(f64, f64)> = (1..=count).map(|step| (f64::from(step), 2.0)).collect();
            let thin = thinned(&points);
            assert!(thin.len() <= POINTS && thin.is_empty() == points.is_empty(), "{count}: {}", thin.len());
            assert!(thin.iter().all(|(step, value)| *value == 2.0 && (1.0..=f64::from(count)).contains(step)));
        }
        assert_eq!(thinned(&[(1.0, 4.0), (2.0, 1.0)]), [(1.0, 4.0), (2.0, 1.0)]);
    }

    #[test]
    fn some_of_all_has_both_ends() {
        let all: Vec<usize> = (0..23).collect();
        assert_eq!(some(&all, 6), [&0, &4, &8, &13, &17, &22]);
        assert_eq!(some(&all[..3], 6), [&0, &1, &2]);
        assert_eq!(some(&all[..1], 6), [&0]);
        assert!(some(&all[..0], 6).is_empty());
    }
}
