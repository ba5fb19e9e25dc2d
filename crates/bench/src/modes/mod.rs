//! What can be measured, one file a mode.

mod kernels;
mod overhead;
mod roofline;
mod sample;
mod scale;
mod step;

pub use kernels::kernels;
pub use overhead::overhead;
pub use roofline::roofline;
pub use sample::sample;
pub use scale::scale;
pub use step::step;

use dit::Config;
use runtime::Stream;

use crate::machine::peak_resident_mebibytes;
use crate::report::Cell;

/// A model's sizes in words.
fn described(config: &Config, batch: usize) -> String {
    let Config { side, channels, patch, width, depth, heads, .. } = config;
    format!("patch {patch}, width {width}, depth {depth}, heads {heads}, {side}×{side}×{channels}, batch {batch}")
}

/// Bytes in MiB.
fn mebibytes(bytes: usize) -> f64 {
    bytes as f64 / 1_048_576.0
}

/// The peak of device memory that buffers took, of that which was held for them, and of the process, in MiB.
/// On the CPU the last contains the others.
fn memory(stream: &Stream) -> [Cell; 3] {
    let memory = stream.device().memory();
    [
        Cell::Real(mebibytes(memory.peak_in_use)),
        Cell::Real(mebibytes(memory.peak_held)),
        Cell::real(peak_resident_mebibytes()),
    ]
}
