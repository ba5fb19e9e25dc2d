// Floats as integers of 64 bits: a driver that goes through lanes one by one, as software adapters do, reads and writes two
// floats for the price of one, and goes through its lanes once for all that a vector has.

// Two floats.
fn unpack_two(pair: u64) -> vec2f {
    return bitcast<vec2f>(vec2u(u32(pair), u32(pair >> 32u)));
}

fn pack_two(floats: vec2f) -> u64 {
    let bits = bitcast<vec2u>(floats);
    return u64(bits.x) | (u64(bits.y) << 32u);
}

// Four floats.
fn unpack(pairs: vec2<u64>) -> vec4f {
    let even = vec2u(pairs);
    let odd = vec2u(pairs >> vec2u(32u));
    return bitcast<vec4f>(vec4u(even.x, odd.x, even.y, odd.y));
}

fn pack(floats: vec4f) -> vec2<u64> {
    let bits = bitcast<vec4u>(floats);
    return vec2<u64>(bits.xz) | (vec2<u64>(bits.yw) << vec2u(32u));
}

// Eight floats, as two columns.
fn unpack_eight(pairs: vec4<u64>) -> mat2x4f {
    return mat2x4f(unpack(pairs.xy), unpack(pairs.zw));
}

fn pack_eight(floats: mat2x4f) -> vec4<u64> {
    return vec4<u64>(pack(floats[0]), pack(floats[1]));
}

// Eight times the same.
fn eight_of(value: f32) -> mat2x4f {
    return mat2x4f(vec4f(value), vec4f(value));
}

// Element by element.
fn product_of_eight(a: mat2x4f, b: mat2x4f) -> mat2x4f {
    return mat2x4f(a[0] * b[0], a[1] * b[1]);
}

fn sum_of_eight(floats: mat2x4f) -> f32 {
    return dot(floats[0] + floats[1], vec4f(1.0));
}
