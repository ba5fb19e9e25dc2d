// Sine and cosine of angles of any size, to 1.5e-7, where drivers' own lose digits.
//
// Angles are reduced as integers, in 2⁻³² of a turn, where whole turns drop out by themselves:
// a reduction in floats would have to trust compilers not to reorder it.

import package::shared::wide::multiply_high;

// (cos, sin) of an angle in 2⁻³² of a turn.
fn cos_sin(turns: u32) -> vec2f {
    const RADIANS = 1.4629180792671596e-9; // 2π / 2³²
    let quadrant = (turns + 0x20000000u) >> 30u;
    // At most an eighth of a turn either way; Cephes' polynomials.
    let x = f32(bitcast<i32>(turns - (quadrant << 30u))) * RADIANS;
    let z = x * x;
    let sine = ((-1.9515295891e-4 * z + 8.3321608736e-3) * z - 1.6666654611e-1) * z * x + x;
    let cosine = ((2.443315711809948e-5 * z - 1.388731625493765e-3) * z + 4.166664568298827e-2) * z * z - 0.5 * z + 1.0;
    let turned = select(vec2f(cosine, sine), vec2f(sine, cosine), (quadrant & 1u) == 1u);
    let negative = vec2u(quadrant + 1u, quadrant) & vec2u(2u);
    return select(turned, -turned, negative != vec2u(0u));
}

// An angle in radians, in 2⁻³² of a turn, for |radians| < 2²⁴.
fn turns(radians: f32) -> u32 {
    // The first 64 binary places of 1 / 2π.
    const TURNS_HIGH = 0x28be60dbu;
    const TURNS_LOW = 0x9391054au;
    let bits = bitcast<u32>(radians);
    let mantissa = (bits & 0x7fffffu) | 0x800000u;
    // (high, low) = mantissa · 2³² / 2π, and |radians| = mantissa / 2^shift.
    let carried = multiply_high(mantissa, TURNS_LOW);
    let low = mantissa * TURNS_HIGH + carried;
    let high = multiply_high(mantissa, TURNS_HIGH) + select(0u, 1u, low < carried);
    let shift = 150u - min((bits >> 23u) & 0xffu, 150u);
    var positive = 0u;
    if shift < 32u {
        positive = (low >> shift) | ((high << 1u) << (31u - shift));
    } else if shift < 64u {
        positive = high >> (shift - 32u);
    }
    return select(positive, 0u - positive, (bits >> 31u) == 1u);
}
