// Sums over a workgroup of 64 invocations.

const LANES = 64u;
const COLUMNS = 8u;

var<workgroup> scratch: array<f32, LANES>;

// The sum of `value` over the 64 lanes, the same in each. All lanes must call it together: from
// uniform control flow, with `lane` the local invocation index. It may be called again at once.
fn sum64(lane: u32, value: f32) -> f32 {
    workgroupBarrier(); // whoever still reads the last sum
    scratch[lane] = value;
    workgroupBarrier();
    // Two rounds of eight rather than six of two: barriers cost more than additions.
    if lane < COLUMNS {
        var sum = scratch[lane];
        for (var i = lane + COLUMNS; i < LANES; i += COLUMNS) {
            sum += scratch[i];
        }
        scratch[lane] = sum; // read by this lane alone until the barrier
    }
    workgroupBarrier();
    return ((scratch[0] + scratch[1]) + (scratch[2] + scratch[3]))
        + ((scratch[4] + scratch[5]) + (scratch[6] + scratch[7]));
}
