//! The times between which steps are taken.

/// Times from 0 to 1, the ends of `steps` steps, moved towards the noise by a shift.
///
/// With u from 0 to 1 in equal steps, t = u / (1 + (shift − 1) · (1 − u)): that is σ' = s · σ / (1 + (s − 1) · σ)
/// for the noise level σ = 1 − t (Esser et al., 2403.03206, section 5.3.2). A shift above 1 takes shorter steps
/// near the noise and longer ones near the data, 1 takes equal steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Grid {
    steps: usize,
    shift: f64,
}

impl Grid {
    pub(crate) fn new(steps: usize, shift: f32) -> Self {
        Self { steps, shift: f64::from(shift) }
    }

    /// The start of step `step`, and its length. In f64, so that a shift of 1 gives step / steps and 1 / steps, each
    /// rounded once.
    pub(crate) fn step(self, step: usize) -> (f32, f32) {
        let (from, to) = (self.time(step), self.time(step + 1));
        (from as f32, (to - from) as f32)
    }

    /// Time number `index` out of 0 to `steps`.
    pub(crate) fn time(self, index: usize) -> f64 {
        let u = index as f64 / self.steps as f64;
        u / (1.0 + (self.shift - 1.0) * (1.0 - u))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seeds and weights draw what they drew before there were shifts: all bits alike, for every number of steps.
    #[test]
    fn without_a_shift_steps_are_equal_to_the_last_bit() {
        for steps in (1..=1000).chain([4099, 9999, 10_000]) {
            let grid = Grid::new(steps, 1.0);
            for step in 0..steps {
                assert_eq!(grid.step(step), (step as f32 / steps as f32, 1.0 / steps as f32), "{step} of {steps}");
            }
        }
    }

    /// For a shift of 3 the middle of the way, σ = 1/2, is at σ' = 3 · 1/2 / (1 + 2 · 1/2) = 3/4.
    #[test]
    fn a_shift_moves_noise_levels_by_the_formula() {
        let grid = Grid::new(4, 3.0);
        let levels: Vec<f64> = (0..=4).map(|index| 1.0 - grid.time(index)).collect();
        for (level, wanted) in levels.iter().zip([1.0, 0.9, 0.75, 0.5, 0.0]) {
            assert!((level - wanted).abs() < 1e-15, "{levels:?}");
        }
        let whole: f32 = (0..4).map(|step| grid.step(step).1).sum();
        assert!((whole - 1.0).abs() < 1e-6, "the steps add up to {whole}");
    }
}
