//! Standard normal numbers by Box and Muller (1958), the same as `shaders/shared/normal.wgsl`.

use super::{math, philox, trigonometry};

/// Two normal numbers from two words. The angle, (n + ½) / 2²⁴ of a turn as `to_uniform` has it, is
/// exact in 2⁻³² of a turn.
#[inline(always)]
pub(crate) fn normals(radius: u32, angle: u32) -> [f32; 2] {
    let radius = (-2.0 * math::ln(philox::to_uniform(radius))).sqrt();
    let (cosine, sine) = trigonometry::cos_sin((angle & !0xff) | 0x80);
    [radius * cosine, radius * sine]
}
