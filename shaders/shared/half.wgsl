// Rounding to 16 bits, with nothing hidden: drivers may make the largest finite number of what is
// beyond it, which would pass for a result.

enable f16;

const LARGEST: f32 = 65504.0;

// x as f16, and ±∞ beyond ±65504. Below 2^-14 drivers may take it for zero.
fn half(x: f32) -> f16 {
    // By its bits: WGSL has no constant infinity, and drivers may take a division by zero for something else.
    let infinity = bitcast<f32>((bitcast<u32>(x) & 0x80000000u) | 0x7f800000u);
    return f16(select(x, infinity, abs(x) > LARGEST));
}
