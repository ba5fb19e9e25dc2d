// What lanes of a subgroup read for each other. The subgroup has eight active lanes or more.

// What lanes 0 to 3 have, as the columns of a matrix.
fn lower(value: vec4f) -> mat4x4f {
    return mat4x4f(
        subgroupBroadcast(value, 0u),
        subgroupBroadcast(value, 1u),
        subgroupBroadcast(value, 2u),
        subgroupBroadcast(value, 3u),
    );
}

// What lanes 4 to 7 have.
fn upper(value: vec4f) -> mat4x4f {
    return mat4x4f(
        subgroupBroadcast(value, 4u),
        subgroupBroadcast(value, 5u),
        subgroupBroadcast(value, 6u),
        subgroupBroadcast(value, 7u),
    );
}

// Numbers of lanes 0 to 3.
fn lower_scalars(value: f32) -> vec4f {
    return vec4f(
        subgroupBroadcast(value, 0u),
        subgroupBroadcast(value, 1u),
        subgroupBroadcast(value, 2u),
        subgroupBroadcast(value, 3u),
    );
}

// Numbers of lanes 4 to 7.
fn upper_scalars(value: f32) -> vec4f {
    return vec4f(
        subgroupBroadcast(value, 4u),
        subgroupBroadcast(value, 5u),
        subgroupBroadcast(value, 6u),
        subgroupBroadcast(value, 7u),
    );
}
