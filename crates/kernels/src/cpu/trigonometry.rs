//! Sine and cosine of angles of any size, the same as `shaders/shared/trigonometry.wgsl`: angles
//! are reduced as integers, in 2⁻³² of a turn, where whole turns drop out by themselves.

/// (cos, sin) of an angle in 2⁻³² of a turn, to 1.5e-7.
#[inline(always)]
pub(crate) fn cos_sin(turns: u32) -> (f32, f32) {
    /// 2π / 2³².
    const RADIANS: f32 = 1.462_918_1e-9;
    let quadrant = turns.wrapping_add(1 << 29) >> 30;
    // At most an eighth of a turn either way; Cephes' polynomials.
    let x = turns.wrapping_sub(quadrant << 30) as i32 as f32 * RADIANS;
    let z = x * x;
    let sine = ((-1.951_529_6e-4 * z + 8.332_161e-3) * z - 1.666_665_5e-1) * z * x + x;
    let cosine = ((2.443_315_7e-5 * z - 1.388_731_6e-3) * z + 4.166_664_6e-2) * z * z - 0.5 * z + 1.0;
    let (first, second) = if quadrant & 1 == 1 { (sine, cosine) } else { (cosine, sine) };
    let signed = |value: f32, quadrant: u32| f32::from_bits(value.to_bits() ^ ((quadrant & 2) << 30));
    (signed(first, quadrant + 1), signed(second, quadrant))
}

/// Angles from here on, where f32 is no longer good to a radian, are beyond [`turns`].
pub(crate) const TURNS_END: f32 = 16_777_216.0;

/// An angle in radians, in 2⁻³² of a turn, for |radians| < 2²⁴.
#[inline(always)]
pub(crate) fn turns(radians: f32) -> u32 {
    /// The first 64 binary places of 1 / 2π.
    const TURNS_HIGH: u64 = 0x28be_60db;
    const TURNS_LOW: u64 = 0x9391_054a;
    let bits = radians.to_bits();
    let mantissa = u64::from((bits & 0x7f_ffff) | 0x80_0000);
    // wide = mantissa · 2³² / 2π, and |radians| = mantissa / 2^shift.
    let wide = mantissa * TURNS_HIGH + ((mantissa * TURNS_LOW) >> 32);
    let shift = 150 - ((bits >> 23) & 0xff).min(150);
    let positive = (wide >> shift.min(63)) as u32;
    if radians.is_sign_negative() { positive.wrapping_neg() } else { positive }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(angle: f32) -> f64 {
        let (cosine, sine) = cos_sin(turns(angle));
        let (exact_sine, exact_cosine) = f64::from(angle).sin_cos();
        (f64::from(cosine) - exact_cosine).abs().max((f64::from(sine) - exact_sine).abs())
    }

    #[test]
    fn cosine_and_sine_hold_at_every_size_of_angle() {
        for scale in [1e-6, 1e-3, 1.0, 10.0, 1e3, 1e5, 1.6e7] {
            let worst = (-100_000..=100_000).map(|i| error(i as f32 / 1e5 * scale)).fold(0.0, f64::max);
            assert!(worst < 1.5e-7, "{worst} up to {scale}");
        }
    }

    #[test]
    fn quarter_turns_are_exact() {
        assert_eq!(
            [0, 1, 2, 3].map(|quarter| cos_sin(quarter << 30)),
            [(1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)]
        );
    }
}
