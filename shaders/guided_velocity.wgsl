// The velocity under guidance that looks at whole items: v = f · (a · null + guidance · (conditional - a · null)),
// where a = ⟨conditional, null⟩ / ⟨null, null⟩ if the null velocity is scaled and 1 if not, and
// f = rescale · deviation(conditional) / deviation(v at f = 1) + 1 - rescale.
//
// Bindings: velocity (2, batch, size): conditional, then null; out (batch, size).
// Launch: a workgroup of 64 an item, folded into two dimensions; its lanes stride over the elements.

import package::shared::reduce::sum64;

struct Parameters {
    batch: u32,
    size: u32,
    guidance: f32,
    rescale: f32,
    scale_null: u32,
}

// What keeps the quotients finite where items are zero or constant.
const LEAST_SQUARE = 1e-8;
const LEAST_VARIANCE = 1e-16;

@group(0) @binding(0) var<uniform> parameters: Parameters;
@group(0) @binding(1) var<storage, read> velocity: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) workgroup: vec3u,
    @builtin(num_workgroups) workgroups: vec3u,
    @builtin(local_invocation_index) lane: u32,
) {
    let item = workgroup.y * workgroups.x + workgroup.x;
    if item >= parameters.batch { // for the whole workgroup at once
        return;
    }
    let size = parameters.size;
    let first = item * size;
    let first_null = (parameters.batch + item) * size;

    var product = 0.0;
    var square = 0.0;
    var sum_class = 0.0;
    var sum_null = 0.0;
    for (var i = lane; i < size; i += 64u) {
        let conditional = velocity[first + i];
        let unconditional = velocity[first_null + i];
        product += conditional * unconditional;
        square += unconditional * unconditional;
        sum_class += conditional;
        sum_null += unconditional;
    }
    product = sum64(lane, product);
    square = sum64(lane, square);
    sum_class = sum64(lane, sum_class);
    sum_null = sum64(lane, sum_null);

    let a = select(1.0, product / (square + LEAST_SQUARE), parameters.scale_null == 1u);
    let of_class = parameters.guidance;
    let of_null = (1.0 - parameters.guidance) * a;
    let mean_class = sum_class / f32(size);
    let mean = of_class * mean_class + of_null * (sum_null / f32(size));

    var variance_class = 0.0;
    var variance = 0.0;
    for (var i = lane; i < size; i += 64u) {
        let off_class = velocity[first + i] - mean_class;
        let off = of_class * velocity[first + i] + of_null * velocity[first_null + i] - mean;
        variance_class += off_class * off_class;
        variance += off * off;
    }
    variance_class = sum64(lane, variance_class) / f32(size);
    variance = sum64(lane, variance) / f32(size);

    let f = parameters.rescale * sqrt(variance_class / (variance + LEAST_VARIANCE)) + (1.0 - parameters.rescale);
    for (var i = lane; i < size; i += 64u) {
        out[first + i] = f * (of_class * velocity[first + i] + of_null * velocity[first_null + i]);
    }
}
