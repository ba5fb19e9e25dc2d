//! How exact a kernel must be, and why no more.

/// How far a result may be from the oracle's, and the reason.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Allowed whatever the value.
    pub absolute: f64,
    /// Allowed as a part of the value.
    pub relative: f64,
    /// Where the difference comes from.
    pub reason: &'static str,
}

impl Tolerance {
    /// Not at all: for what f32 does without rounding.
    pub const EXACT: Self = Self::new(0.0, 0.0, "f32 does this without rounding");

    /// A few roundings of values near one.
    pub const ROUNDING: Self = Self::new(1e-6, 1e-6, "a few roundings of values near one");

    /// Allows `absolute`, and `relative` times the oracle's value.
    pub const fn new(absolute: f64, relative: f64, reason: &'static str) -> Self {
        Self { absolute, relative, reason }
    }

    /// For a sum of `terms` products near one. Each step of a plain f32 sum rounds a partial sum of
    /// about √terms by half of 2^-23, all the same way at worst: 6e-8 · terms^1.5. Signs differ, so
    /// what is seen is near 6e-8 · terms; the rest is leeway for the terms' own errors.
    pub fn sum(terms: usize) -> Self {
        Self::new(2e-6 + 1e-7 * terms as f64, 2e-6, "a rounding for each of the terms of a sum")
    }

    /// The difference as a share of what is allowed: above 1 is wrong. Infinite where one of the two is
    /// not a number and the other is, or either is an infinity of its own.
    pub fn share(self, got: f32, want: f64) -> f64 {
        let got = f64::from(got);
        if got == want || got.is_nan() && want.is_nan() {
            return 0.0;
        }
        let share = (got - want).abs() / (self.absolute + self.relative * want.abs());
        if share.is_nan() || !got.is_finite() || !want.is_finite() { f64::INFINITY } else { share }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerances_refuse_what_is_not_a_number() {
        let generous = Tolerance::new(1e9, 1e9, "");
        let allows = |got, want| generous.share(got, want) <= 1.0;
        assert!(!allows(f32::NAN, 1.0) && !allows(1.0, f64::NAN));
        assert!(
            !allows(f32::INFINITY, 1.0) && !allows(1.0, f64::INFINITY) && !allows(f32::NEG_INFINITY, f64::INFINITY)
        );
        assert!(allows(f32::NAN, f64::NAN) && allows(5.0, 1.0));
        assert!(Tolerance::EXACT.share(0.5, 0.5) <= 1.0 && Tolerance::EXACT.share(0.5, 0.500_000_06) > 1.0);
        assert!(Tolerance::EXACT.share(f32::INFINITY, f64::INFINITY) <= 1.0);
    }
}
