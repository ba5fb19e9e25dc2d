// Standard normal numbers by Box and Muller (1958).

import package::shared::logarithm::ln;
import package::shared::philox::to_uniform;
import package::shared::trigonometry::cos_sin;

// Two normal numbers from two words. The angle, (n + ½) / 2²⁴ of a turn as `to_uniform` has it, is
// exact in 2⁻³² of a turn.
fn normals(radius: u32, angle: u32) -> vec2f {
    return sqrt(-2.0 * ln(to_uniform(radius))) * cos_sin((angle & 0xffffff00u) | 0x80u);
}
