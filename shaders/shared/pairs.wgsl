// Four floats as two integers of 64 bits: a driver that goes through lanes one by one, as software adapters do, reads and
// writes two floats for the price of one.

fn unpack(pairs: vec2<u64>) -> vec4f {
    let even = vec2u(pairs);
    let odd = vec2u(pairs >> vec2u(32u));
    return bitcast<vec4f>(vec4u(even.x, odd.x, even.y, odd.y));
}

fn pack(floats: vec4f) -> vec2<u64> {
    let bits = bitcast<vec4u>(floats);
    return vec2<u64>(bits.xz) | (vec2<u64>(bits.yw) << vec2u(32u));
}
