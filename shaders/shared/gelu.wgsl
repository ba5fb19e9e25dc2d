// GELU in its tanh approximation (Hendrycks and Gimpel, 1606.08415, section 2), and its derivative.

const SQRT_2_OVER_PI: f32 = 0.7978845608;
const CUBIC: f32 = 0.044715;

// Drivers return NaN for the tanh of large arguments; beyond 15 it is ±1 to the last bit.
fn bounded_tanh(x: f32) -> f32 {
    return tanh(clamp(x, -15.0, 15.0));
}

fn gelu(x: f32) -> f32 {
    return 0.5 * x * (1.0 + bounded_tanh(SQRT_2_OVER_PI * (x + CUBIC * x * x * x)));
}

// Beyond |x| = 10 the derivative is 0 or 1 to the last bit, but its terms would overflow.
fn gelu_derivative(x: f32) -> f32 {
    // NaN stays NaN; by its bits, because compilers may take x != x for false.
    if (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u {
        return x;
    }
    let y = clamp(x, -10.0, 10.0);
    let t = bounded_tanh(SQRT_2_OVER_PI * (y + CUBIC * y * y * y));
    let slope = SQRT_2_OVER_PI * (1.0 + 3.0 * CUBIC * y * y);
    return 0.5 * (1.0 + t) + 0.5 * y * (1.0 - t * t) * slope;
}
