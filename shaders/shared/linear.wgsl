// The flat index of an invocation in a one-dimensional launch that may be folded into two.

// `workgroups` is num_workgroups, `size` the invocations of a workgroup along x.
fn index(id: vec3u, workgroups: vec3u, size: u32) -> u32 {
    return id.y * workgroups.x * size + id.x;
}

// The same of a workgroup.
fn group_index(group: vec3u, workgroups: vec3u) -> u32 {
    return group.y * workgroups.x + group.x;
}
