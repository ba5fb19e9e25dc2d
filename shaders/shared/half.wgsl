// Rounding to 16 bits, with nothing hidden: drivers may make the largest finite number of what is
// beyond it, which would pass for a result.

enable f16;

const LARGEST: f32 = 65504.0;

// x as f16; infinite or NaN beyond ±65504. Below 2^-14 drivers may take it for zero.
fn half(x: f32) -> f16 {
    if abs(x) > LARGEST {
        // Zero of its own kind: a constant one would be refused as a divisor.
        return f16(x) / f16(x - x);
    }
    return f16(x);
}
