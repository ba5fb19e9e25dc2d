//! Elementary functions in forms that vectorise, for loops under `#[multiversion]`. Those that take `FUSED` round
//! products and sums together if it is set: a loop sets it by [`fused`] where its target has an instruction for that.

use std::f32::consts::LOG2_E;

/// Whether the target that a function under `#[multiversion]` is compiled for multiplies and adds in one instruction.
macro_rules! fused {
    () => {
        multiversion::target::target_cfg_f!(any(target_feature = "fma", target_feature = "neon"))
    };
}
pub(crate) use fused;

/// ln 2 in two parts, the first short enough for exact products.
const LN_2_HIGH: f32 = 0.693_359_4;
const LN_2_LOW: f32 = -2.121_944_4e-4;
/// √(2/π), of the tanh approximation of GELU.
pub(crate) const SQRT_2_OVER_PI: f32 = 0.797_884_6;
/// The cubic coefficient of the tanh approximation of GELU.
pub(crate) const GELU_CUBIC: f32 = 0.044_715;
/// Beyond this |x| GELU's derivative is 0 or 1 to f32's last bit.
pub(crate) const GELU_SATURATED: f32 = 10.0;

/// a · b + c, rounded once if `FUSED`, which is slow where no instruction does it.
#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// eˣ to 2 units in the last place: 0 below −87.3, +∞ above 88.3, NaN for NaN.
#[inline(always)]
pub(crate) fn exp<const FUSED: bool>(x: f32) -> f32 {
    const HIGHEST: f32 = 88.3;
    let value = exp_below::<FUSED>(x);
    if x > HIGHEST { f32::INFINITY } else { value }
}

/// As [`exp`] for an x of no more than 88.3, as one is that is known to be negative but for rounding; above it is no number
/// that means anything.
#[inline(always)]
pub(crate) fn exp_below<const FUSED: bool>(x: f32) -> f32 {
    const LOWEST: f32 = -87.3;
    /// 1.5·2²³: adding it rounds to an integer that stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let rounded = multiply_add::<FUSED>(x, LOG2_E, ROUND);
    let power = rounded - ROUND;
    let rest = multiply_add::<FUSED>(power, -LN_2_LOW, multiply_add::<FUSED>(power, -LN_2_HIGH, x));
    // 1 + rest + rest² times a least-squares fit, reweighted until the worst relative error on ±½ ln 2 was smallest, 3e-9.
    let series = multiply_add::<FUSED>(1.381_454e-3, rest, 8.368_745e-3);
    let series = multiply_add::<FUSED>(series, rest, 4.166_839e-2);
    let series = multiply_add::<FUSED>(series, rest, 0.166_665_21);
    let series = multiply_add::<FUSED>(series, rest, 0.499_999_94);
    let series = multiply_add::<FUSED>(series, rest, 1.0);
    let series = multiply_add::<FUSED>(series, rest, 1.0);
    let scale = f32::from_bits((rounded.to_bits() << 23).wrapping_add(0x3f80_0000));
    if x < LOWEST { 0.0 } else { series * scale }
}

/// ln x of a positive normal number to 2 units in the last place, as `shaders/shared/logarithm.wgsl`
/// has it: x = m · 2ᵉ with m between √½ and √2, and Cephes' polynomial for ln m.
#[inline(always)]
pub(crate) fn ln(x: f32) -> f32 {
    const SQRT_HALF: u32 = 0x3f35_04f3;
    let offset = x.to_bits().wrapping_sub(SQRT_HALF);
    let e = (offset as i32 >> 23) as f32;
    let r = f32::from_bits((offset & 0x7f_ffff) + SQRT_HALF) - 1.0;
    let series = 7.037_683_6e-2 * r - 1.151_461e-1;
    let series = series * r + 1.167_699_9e-1;
    let series = series * r - 1.242_014_1e-1;
    let series = series * r + 1.424_932_3e-1;
    let series = series * r - 1.666_805_8e-1;
    let series = series * r + 2.000_071_5e-1;
    let series = series * r - 2.499_999_4e-1;
    let series = series * r + 3.333_333e-1;
    (r + (series * r * r * r + LN_2_LOW * e - 0.5 * r * r)) + LN_2_HIGH * e
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp::<false>(-x))
}

/// tanh x to an absolute error of 4.2e-7, ±1 from ±9.5 on.
#[inline(always)]
fn tanh<const FUSED: bool>(x: f32) -> f32 {
    /// Here the ratio below is a few units in the last place more than 1, so that its bound makes ±1 of all beyond.
    const END: f32 = 9.5;
    // x times a ratio of polynomials in x²: a least-squares fit, reweighted until the worst error on (-9, 9) was smallest,
    // 2e-8. It takes half of the time of an exponential and a division.
    let x = x.clamp(-END, END);
    let square = x * x;
    let horner = |[a, b, c, d, e]: [f32; 5]| {
        let sum = multiply_add::<FUSED>(e, square, d);
        let sum = multiply_add::<FUSED>(sum, square, c);
        let sum = multiply_add::<FUSED>(sum, square, b);
        multiply_add::<FUSED>(sum, square, a)
    };
    let above = horner([0.999_999_9, 0.133_731_98, 3.486_581e-3, 2.047_182e-5, 1.318_421e-8]);
    let below = horner([1.0, 0.467_064_95, 2.584_197_6e-2, 3.271_384_3e-4, 7.702_658e-7]);
    (x * above / below).clamp(-1.0, 1.0)
}

/// √(2/π) (x + c x³), whose tanh GELU takes.
#[inline(always)]
fn inside_gelu<const FUSED: bool>(x: f32) -> f32 {
    x * multiply_add::<FUSED>(SQRT_2_OVER_PI * GELU_CUBIC, x * x, SQRT_2_OVER_PI)
}

/// GELU in its tanh approximation (Hendrycks and Gimpel, 1606.08415, section 2).
#[inline(always)]
pub(crate) fn gelu<const FUSED: bool>(x: f32) -> f32 {
    let half = 0.5 * x;
    multiply_add::<FUSED>(half, tanh::<FUSED>(inside_gelu::<FUSED>(x)), half)
}

/// The derivative of [`gelu`].
#[inline(always)]
pub(crate) fn gelu_derivative<const FUSED: bool>(x: f32) -> f32 {
    gelu_and_derivative::<FUSED>(x).1
}

/// [`gelu`] and its derivative for the price of one tanh.
#[inline(always)]
pub(crate) fn gelu_and_derivative<const FUSED: bool>(x: f32) -> (f32, f32) {
    let bounded = x.clamp(-GELU_SATURATED, GELU_SATURATED);
    let (half, tanh) = (0.5 * x, tanh::<FUSED>(inside_gelu::<FUSED>(bounded)));
    let slope = multiply_add::<FUSED>(3.0 * SQRT_2_OVER_PI * GELU_CUBIC, bounded * bounded, SQRT_2_OVER_PI);
    let rest = multiply_add::<FUSED>(-tanh, tanh, 1.0);
    (multiply_add::<FUSED>(half, tanh, half), 0.5 * multiply_add::<FUSED>(bounded * slope, rest, 1.0 + tanh))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worst(low: f64, high: f64, approximate: fn(f32) -> f32, exact: fn(f64) -> f64, relative: bool) -> f64 {
        (0..=100_000)
            .map(|i| {
                let x = (low + (high - low) * f64::from(i) / 1e5) as f32;
                let want = exact(f64::from(x));
                let error = (f64::from(approximate(x)) - want).abs();
                if relative { error / want.abs() } else { error }
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn exp_is_good_to_two_units_in_the_last_place() {
        assert!(worst(-87.0, 88.0, exp::<false>, f64::exp, true) < 2.4e-7);
        assert!(worst(-87.0, 88.0, exp::<true>, f64::exp, true) < 2.4e-7);
    }

    #[test]
    fn ln_is_good_to_two_units_in_the_last_place() {
        assert!(worst(1e-7, 1.0 - 1e-7, ln, f64::ln, true) < 2.4e-7);
        assert!(worst(1.0, 1e9, ln, f64::ln, true) < 2.4e-7);
        assert_eq!(ln(1.0), 0.0);
    }

    #[test]
    fn exp_keeps_its_ends() {
        for exp in [exp::<false>, exp::<true>] {
            assert_eq!(exp(0.0), 1.0);
            assert_eq!(exp(f32::NEG_INFINITY), 0.0);
            assert_eq!(exp(-200.0), 0.0);
            assert_eq!(exp(200.0), f32::INFINITY);
            assert!(exp(f32::NAN).is_nan());
            assert!(exp(-87.3) > 0.0 && exp((-87.3_f32).next_down()) == 0.0);
            assert!(exp(88.3).is_finite() && exp(88.3_f32.next_up()) == f32::INFINITY);
        }
        for exp in [exp_below::<false>, exp_below::<true>] {
            assert_eq!([exp(0.0), exp(f32::NEG_INFINITY), exp(-200.0)], [1.0, 0.0, 0.0]);
            assert!(exp(f32::NAN).is_nan());
        }
    }

    #[test]
    fn tanh_is_as_good_as_it_says() {
        assert!(worst(-20.0, 20.0, tanh::<false>, f64::tanh, false) < 4.2e-7);
        assert!(worst(-20.0, 20.0, tanh::<true>, f64::tanh, false) < 4.2e-7);
        for tanh in [tanh::<false>, tanh::<true>] {
            assert_eq!([-1e3, -9.5, 0.0, 9.5, 1e3].map(tanh), [-1.0, -1.0, 0.0, 1.0, 1.0]);
        }
    }

    #[test]
    fn gelu_saturates() {
        for gelu in [gelu::<false>, gelu::<true>] {
            assert_eq!((gelu(-1e3), gelu(1e3)), (0.0, 1e3));
            assert!(gelu(f32::NAN).is_nan());
        }
        for derivative in [gelu_derivative::<false>, gelu_derivative::<true>] {
            assert_eq!((derivative(-1e20), derivative(1e20)), (0.0, 1.0));
            assert!(derivative(f32::NAN).is_nan());
        }
    }

    #[test]
    fn gelu_is_the_same_with_its_derivative() {
        for x in (-1200..=1200).map(|i| i as f32 / 100.0).chain([-1e20, 1e20, f32::MIN_POSITIVE]) {
            assert_eq!(gelu_and_derivative::<false>(x).0, gelu::<false>(x), "{x}");
            assert_eq!(gelu_and_derivative::<true>(x).0, gelu::<true>(x), "{x}");
        }
        assert!(gelu_and_derivative::<true>(f32::NAN).0.is_nan());
    }
}
