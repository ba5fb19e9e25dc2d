//! The Fréchet distance of two sets of points, each taken for a Gaussian.

use nalgebra::{DMatrix, DVector, SymmetricEigen};

/// |μ₁ − μ₂|² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½) of two sets of points of `width` columns (Heusel et al., 1706.08500,
/// section 3; Dowson and Landau, 1982), in squared units of the columns; covariances are over N − 1. The smaller a
/// set, the larger the distance by chance alone. `None` where a set has fewer than two points.
pub fn frechet_distance(one: &[f32], other: &[f32], width: usize) -> Option<f64> {
    let ((mean, covariance), (other_mean, other_covariance)) = (moments(one, width)?, moments(other, width)?);
    let traces = covariance.trace() + other_covariance.trace();
    let root = square_root(covariance);
    let product = &root * other_covariance * &root;
    // Symmetric but for roundings, which the eigenvalues must not see.
    let product = (&product + product.transpose()) * 0.5;
    let mixed: f64 = product.symmetric_eigenvalues().iter().map(|value| value.max(0.0).sqrt()).sum();
    Some(((mean - other_mean).norm_squared() + traces - 2.0 * mixed).max(0.0))
}

fn moments(points: &[f32], width: usize) -> Option<(DVector<f64>, DMatrix<f64>)> {
    let count = points.len() / width;
    if count < 2 {
        return None;
    }
    let mut points = DMatrix::from_iterator(width, count, points.iter().map(|x| f64::from(*x)));
    let mean = points.column_mean();
    points.column_iter_mut().for_each(|mut point| point -= &mean);
    let covariance = &points * points.transpose() / (count - 1) as f64;
    Some((mean, covariance))
}

fn square_root(covariance: DMatrix<f64>) -> DMatrix<f64> {
    let SymmetricEigen { eigenvectors, eigenvalues } = covariance.symmetric_eigen();
    let roots = DMatrix::from_diagonal(&eigenvalues.map(|value| value.max(0.0).sqrt()));
    &eigenvectors * roots * eigenvectors.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points ±a along each axis: mean `shift`, variance 2a² / (2·axes − 1) along each.
    fn cross(lengths: &[f32], shift: f32) -> Vec<f32> {
        let width = lengths.len();
        let point = |axis: usize, sign: f32| {
            (0..width).map(move |i| shift + if i == axis { sign * lengths[axis] } else { 0.0 })
        };
        (0..width).flat_map(|axis| point(axis, 1.0).chain(point(axis, -1.0))).collect()
    }

    #[test]
    fn gaussians_on_the_axes_have_the_distance_of_the_formula() {
        // Deviations add up as (σ₁ − σ₂)² along each axis.
        let (one, other) = ([1.0, 2.0, 3.0], [4.0, 2.0, 0.5]);
        let factor = f64::sqrt(2.0 / 5.0);
        let expected: f64 = one.iter().zip(other).map(|(a, b)| (factor * f64::from(a - b)).powi(2)).sum();
        let found = frechet_distance(&cross(&one, 0.0), &cross(&other, 2.0), 3);
        assert!(found.is_some_and(|found| (found - expected - 12.0).abs() < 1e-9), "{found:?}");
    }

    #[test]
    fn rotated_covariances_do_not_commute_and_still_agree() {
        // 2×2: tr (AB)^½ = √(tr AB + 2 √det AB).
        let one = [3.0, 0.0, -3.0, 0.0, 0.0, 1.0, 0.0, -1.0];
        let other = [2.0, 2.0, -2.0, -2.0, 1.0, -1.0, -1.0, 1.0];
        let (a, b) = ([6.0, 0.0, 2.0 / 3.0], [10.0 / 3.0, 2.0, 10.0 / 3.0]);
        let trace_of_product: f64 = a[0] * b[0] + a[2] * b[2];
        let determinant: f64 = a[0] * a[2] * (b[0] * b[2] - b[1] * b[1]);
        let expected = a[0] + a[2] + b[0] + b[2] - 2.0 * (trace_of_product + 2.0 * determinant.sqrt()).sqrt();
        let found = frechet_distance(&one, &other, 2);
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-9), "{found:?} is not {expected}");
    }

    #[test]
    fn a_set_is_at_no_distance_from_itself_even_where_covariances_are_singular() {
        let flat: Vec<f32> = (0..7).flat_map(|i| [i as f32, 2.0 * i as f32, 5.0]).collect();
        assert!(frechet_distance(&flat, &flat, 3).is_some_and(|found| found < 1e-6));
    }

    #[test]
    fn a_single_point_has_no_covariance() {
        assert_eq!(frechet_distance(&[1.0, 2.0], &[1.0, 2.0, 3.0, 4.0], 2), None);
    }
}
