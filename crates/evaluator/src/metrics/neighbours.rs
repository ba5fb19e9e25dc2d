//! What nearest neighbours tell of two sets of points.

use nalgebra::{DMatrix, DMatrixView};
use rayon::prelude::*;

/// Points that are compared with others at once.
const BLOCK: usize = 128;

/// How far one set covers another: all four near 1 for two samples of one distribution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manifold {
    /// The share of generated points within the 3rd-nearest-neighbour ball of a real one
    /// (Kynkäänniemi et al., 1904.06991, section 2): 0 to 1.
    pub precision: f64,
    /// The share of real points within such a ball of a generated one: 0 to 1.
    pub recall: f64,
    /// How many of the real points' 5th-nearest-neighbour balls hold a generated point, over 5
    /// (Naeem et al., 2002.09797, section 3): 0 and up.
    pub density: f64,
    /// The share of real points that have a generated one within such a ball: 0 to 1.
    pub coverage: f64,
}

const NEIGHBOURS_OF_PRECISION: usize = 3;
const NEIGHBOURS_OF_DENSITY: usize = 5;

/// The four measures of sets of points of `width` columns; `None` where a set has five points or fewer.
pub fn manifold(real: &[f32], generated: &[f32], width: usize) -> Option<Manifold> {
    let (reals, generateds) = (real.len() / width, generated.len() / width);
    if reals.min(generateds) <= NEIGHBOURS_OF_DENSITY {
        return None;
    }
    let wide = radii(real, width, NEIGHBOURS_OF_DENSITY);
    let real_radii = radii(real, width, NEIGHBOURS_OF_PRECISION);
    let generated_radii = radii(generated, width, NEIGHBOURS_OF_PRECISION);
    let within = |distances: &[f32], radii: &[f32]| distances.iter().zip(radii).filter(|(d, r)| d <= r).count();
    let of_generated: Vec<(bool, usize)> = for_each_row(generated, real, width, |_, distances| {
        (within(distances, &real_radii) > 0, within(distances, &wide))
    });
    let of_real: Vec<(bool, bool)> = for_each_row(real, generated, width, |row, distances| {
        (within(distances, &generated_radii) > 0, distances.iter().any(|distance| *distance <= wide[row]))
    });
    let share = |count: usize, all: usize| count as f64 / all as f64;
    let balls: usize = of_generated.iter().map(|(_, balls)| balls).sum();
    Some(Manifold {
        precision: share(of_generated.iter().filter(|(inside, _)| *inside).count(), generateds),
        recall: share(of_real.iter().filter(|(inside, _)| *inside).count(), reals),
        density: share(balls, NEIGHBOURS_OF_DENSITY * generateds),
        coverage: share(of_real.iter().filter(|(_, covered)| *covered).count(), reals),
    })
}

/// The distance of each query to the nearest of the references, all of `width` columns.
pub fn nearest(queries: &[f32], references: &[f32], width: usize) -> Vec<f32> {
    for_each_row(queries, references, width, |_, distances| smallest(distances.iter().copied()))
}

/// The distance of each point to the nearest other one; infinite where there is none.
pub fn nearest_other(points: &[f32], width: usize) -> Vec<f32> {
    for_each_row(points, points, width, |row, distances| {
        smallest(distances.iter().enumerate().filter(|(other, _)| *other != row).map(|(_, distance)| *distance))
    })
}

/// The value below which a share of the values lies, 0 to 1, between two by interpolation; NaN of no values.
pub fn quantile(values: &[f32], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f32::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    let (low, high) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    if low == high { f64::from(low) } else { f64::from(low) + place.fract() * f64::from(high - low) }
}

fn smallest(squared: impl Iterator<Item = f32>) -> f32 {
    squared.fold(f32::INFINITY, f32::min).sqrt()
}

/// The squared distance of each point to its k-th nearest other.
fn radii(points: &[f32], width: usize, k: usize) -> Vec<f32> {
    for_each_row(points, points, width, |row, distances| {
        let mut distances = distances.to_vec();
        distances[row] = -1.0; // the point itself comes first, whatever roundings say
        *distances.select_nth_unstable_by(k, f32::total_cmp).1
    })
}

/// Calls `of_row` with each query's index and its squared distances to all references.
fn for_each_row<T: Send>(
    queries: &[f32],
    references: &[f32],
    width: usize,
    of_row: impl Fn(usize, &[f32]) -> T + Sync,
) -> Vec<T> {
    let square = |point: &[f32]| point.iter().map(|x| x * x).sum::<f32>();
    let squares: Vec<f32> = references.chunks_exact(width).map(square).collect();
    let references = DMatrix::from_row_slice(squares.len(), width, references);
    let blocks = queries.par_chunks(BLOCK * width).enumerate().map(|(block, queries)| {
        // (references, queries of the block), each column the products of one query.
        let mut distances = &references * DMatrixView::from_slice(queries, width, queries.len() / width);
        let rows = distances.as_mut_slice().chunks_exact_mut(squares.len()).zip(queries.chunks_exact(width));
        rows.enumerate()
            .map(|(row, (products, query))| {
                let own = square(query);
                let distances = products.iter_mut().zip(&squares);
                distances.for_each(|(product, other)| *product = (own + other - 2.0 * *product).max(0.0));
                of_row(block * BLOCK + row, products)
            })
            .collect::<Vec<_>>()
    });
    blocks.collect::<Vec<_>>().into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(count: usize, first: f32) -> Vec<f32> {
        (0..count).flat_map(|i| [first + i as f32, 1.0]).collect()
    }

    #[test]
    fn a_set_covers_itself_and_nothing_far_away() {
        let points = line(300, 0.0);
        let own = manifold(&points, &points, 2);
        assert!(own.is_some_and(|m| m.precision == 1.0 && m.recall == 1.0 && m.coverage == 1.0), "{own:?}");
        let far = manifold(&points, &line(7, 1e4), 2);
        assert_eq!(far, Some(Manifold { precision: 0.0, recall: 0.0, density: 0.0, coverage: 0.0 }));
    }

    #[test]
    fn a_part_of_a_set_is_precise_and_recalls_a_part() {
        // Ten far from ten: generated are ten of the one kind, and are as near one another as real ones.
        let real = [line(10, 0.0), line(10, 1000.0)].concat();
        let found = manifold(&real, &line(10, 0.0), 2);
        assert!(found.is_some_and(|m| m.precision == 1.0 && m.recall == 0.5 && m.coverage == 0.5), "{found:?}");
    }

    #[test]
    fn density_counts_balls() {
        // Every generated point is in the middle one of eleven: in the balls of those within 5 of it, by radii.
        let (real, generated) = (line(11, 0.0), [5.0, 1.0].repeat(6));
        // Radii, by the 5th nearest: 5 at the ends, 4, 3, 3, 3, 3, 3, 3, 3, 4, 5.
        let inside =
            (0..11).filter(|i| (*i as f32 - 5.0).abs() <= [5.0, 4.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0, 4.0, 5.0][*i]);
        let expected = inside.count() as f64 / 5.0;
        assert!(manifold(&real, &generated, 2).is_some_and(|m| m.density == expected));
    }

    #[test]
    fn few_points_have_no_manifold() {
        assert_eq!(manifold(&line(5, 0.0), &line(9, 0.0), 2), None);
    }

    #[test]
    fn the_nearest_is_found_beyond_a_block() {
        let found = nearest(&[3.0, 1.0, 297.25, 1.0], &line(298, 0.0), 2);
        assert_eq!(found, [0.0, 0.25]);
        assert_eq!(nearest_other(&[1.0, 1.0], 2), [f32::INFINITY]);
        assert_eq!(nearest_other(&[1.0, 1.0, 4.0, 5.0], 2), [5.0, 5.0]);
    }

    #[test]
    fn quantiles_lie_between_values() {
        assert_eq!(quantile(&[3.0, 1.0, 2.0], 0.5), 2.0);
        assert_eq!(quantile(&[0.0, 10.0], 0.25), 2.5);
        assert_eq!(quantile(&[7.0], 0.01), 7.0);
        assert!(quantile(&[], 0.5).is_nan());
    }
}
