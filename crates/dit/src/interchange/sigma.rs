//! The last Linear with and without the variances of `learn_sigma`.
//!
//! Its rows are a patch's elements: row in the patch, column in the patch, channel. With variances there are
//! twice as many channels, and a patch's place has first its C values, then its C variances.

/// The rows of values, of `row` elements each. The channels are C.
pub(super) fn without(values: &[f32], channels: usize, row: usize) -> Vec<f32> {
    let place = channels * row;
    values.chunks(2 * place).flat_map(|both| &both[..place.min(both.len())]).copied().collect()
}

/// The rows with zeros for the variances.
pub(super) fn with_zeros(values: &[f32], channels: usize, row: usize) -> Vec<f32> {
    let place = channels * row;
    let zeros = vec![0.0; place];
    values.chunks(place).flat_map(|values| values.iter().chain(&zeros)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_channels_of_each_place_are_kept() {
        // Two places of three channels, rows of two elements: row r is (r, r).
        let rows: Vec<f32> = (0..12u8).flat_map(|row| [f32::from(row); 2]).collect();
        assert_eq!(without(&rows, 3, 2), [0., 0., 1., 1., 2., 2., 6., 6., 7., 7., 8., 8.]);
        assert_eq!(without(&[1.0, 2.0], 1, 1), [1.0]);
    }

    #[test]
    fn zeros_come_after_each_places_channels_and_go_again() {
        assert_eq!(with_zeros(&[1., 2., 3., 4.], 2, 1), [1., 2., 0., 0., 3., 4., 0., 0.]);
        let values: Vec<f32> = (0..30u8).map(f32::from).collect();
        assert_eq!(without(&with_zeros(&values, 3, 5), 3, 5), values);
    }
}
