// The natural logarithm, where drivers' own is too coarse.

// ln x of a positive normal number, to 2 units in the last place: x = m · 2ᵉ with m between √½ and
// √2, and Cephes' polynomial for ln m.
fn ln(x: f32) -> f32 {
    const SQRT_HALF = 0x3f3504f3u;
    let offset = bitcast<u32>(x) - SQRT_HALF;
    let e = f32(bitcast<i32>(offset) >> 23u);
    let r = bitcast<f32>((offset & 0x7fffffu) + SQRT_HALF) - 1.0;
    var series = 7.0376836292e-2 * r - 1.1514610310e-1;
    series = series * r + 1.1676998740e-1;
    series = series * r - 1.2420140846e-1;
    series = series * r + 1.4249322787e-1;
    series = series * r - 1.6668057665e-1;
    series = series * r + 2.0000714765e-1;
    series = series * r - 2.4999993993e-1;
    series = series * r + 3.3333331174e-1;
    // ln 2 in two parts, the first short enough for exact products.
    return (r + (series * r * r * r - 2.12194440e-4 * e - 0.5 * r * r)) + 0.693359375 * e;
}
