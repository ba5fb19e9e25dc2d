// Standard normal numbers by Box and Muller. An item's noise depends on its own index, the step and
// the seed alone, so that splitting items into batches never changes it.
//
// Bindings: out (items, size).
// Launch: one invocation a block of four neighbours in an item (the words of one counter), 64 a
// workgroup, folded into two dimensions.

import package::shared::linear::index;
import package::shared::normal::normals;
import package::shared::philox::{philox4x32, NOISE};

struct Parameters {
    seed_low: u32,
    seed_high: u32,
    step: u32,
    first_item: u32,
    items: u32,
    size: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) workgroups: vec3u) {
    let blocks = (parameters.size + 3u) / 4u;
    let i = index(id, workgroups, 64u);
    let item = i / blocks;
    if item >= parameters.items {
        return;
    }
    let block = i % blocks;
    let key = vec2u(parameters.seed_low, parameters.seed_high);
    let words = philox4x32(vec4u(block, parameters.first_item + item, parameters.step, NOISE), key);
    let values = vec4f(normals(words.x, words.y), normals(words.z, words.w));
    let start = item * parameters.size + block * 4u;
    let count = min(parameters.size - block * 4u, 4u);
    for (var k = 0u; k < count; k++) {
        out[start + k] = values[k];
    }
}
