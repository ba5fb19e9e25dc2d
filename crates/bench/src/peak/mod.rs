//! What the device itself can do: multiply-adds, and traffic to memory.

mod fma;
mod triad;

pub use fma::multiply_adds;
pub use triad::bandwidth;

use runtime::{Result, Stream};

/// Shorter measurements say more about the clock than about the device.
const LONG_ENOUGH: f64 = 0.02;

/// The seconds of each kernel that `launch` launches, `runs` times after a first time that does not count.
fn measure(stream: &mut Stream, runs: usize, mut launch: impl FnMut(&mut Stream) -> Result<()>) -> Result<Vec<f64>> {
    launch(stream)?;
    stream.synchronize()?;
    stream.start_profile(usize::MAX)?;
    for _ in 0..runs {
        launch(stream)?;
        stream.synchronize()?;
    }
    let profile = stream.finish_profile()?;
    Ok(profile.kernels.iter().map(|span| span.duration.as_secs_f64()).collect())
}
