// Philox4x32-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): each counter
// gives four random words of its own, so that any invocation draws without a state, and the same
// on every device.
//
// The key is the seed (low word, high word); the counter is (block, item, step, purpose).

import package::shared::wide::multiply_high;

// What a counter's words are for, so that no two uses share any.
const NOISE = 0u;
const TIME = 1u;
const DROPOUT = 2u;
const SHUFFLE = 3u;

fn philox4x32(counter: vec4u, key: vec2u) -> vec4u {
    var c = counter;
    var k = key;
    for (var round = 0u; round < 10u; round++) {
        c = vec4u(
            multiply_high(0xcd9e8d57u, c.z) ^ c.y ^ k.x,
            0xcd9e8d57u * c.z,
            multiply_high(0xd2511f53u, c.x) ^ c.w ^ k.y,
            0xd2511f53u * c.x,
        );
        k += vec2u(0x9e3779b9u, 0xbb67ae85u);
    }
    return c;
}

// A number strictly between 0 and 1: (n + ½) / 2²⁴ of the upper 24 bits n. From 2²³ on the half
// has no bit left in an f32 and is left out, so that no driver's rounding reaches 1.
fn to_uniform(word: u32) -> f32 {
    let n = word >> 8u;
    return (f32(n) + select(0.0, 0.5, n < 0x800000u)) * 5.9604644775390625e-8; // 2⁻²⁴
}
