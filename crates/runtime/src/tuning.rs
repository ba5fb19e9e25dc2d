//! Which of several ways to compute the same is the fastest on a device: measured once, then remembered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Result, Stream};

/// What a choice is made for: a kernel's name, and the sizes and options on which its time depends.
pub type TuningKey = (&'static str, [u32; 4]);

/// The choices that were made on a device, each among so many candidates.
#[derive(Debug, Default)]
pub(crate) struct Choices(Mutex<HashMap<(TuningKey, usize), usize>>);

impl Choices {
    fn lock(&self) -> MutexGuard<'_, HashMap<(TuningKey, usize), usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Turns that each candidate gets: the fastest of them counts, because what disturbs only ever takes time.
const TURNS: usize = 3;
/// A turn repeats a candidate for about so long, so that submitting and waiting weigh little.
const TURN: Duration = Duration::from_millis(2);
/// But no more often than this.
const MOST_REPEATS: u128 = 32;

impl Stream {
    /// The fastest of `candidates` ways to do the same on this device, counted from 0. The first call with a key (and as many
    /// candidates) launches each five to a hundred times, and waits for the device; calls after that remember. A profile does
    /// not show these launches.
    ///
    /// # Errors
    /// Those of `launch`, and what the driver reports.
    pub fn fastest(
        &mut self,
        key: TuningKey,
        candidates: usize,
        mut launch: impl FnMut(&mut Stream, usize) -> Result<()>,
    ) -> Result<usize> {
        if let Some(choice) = self.device().choices().lock().get(&(key, candidates)) {
            return Ok(*choice);
        }
        self.synchronize()?;
        let choice = self.without_profile(|stream| measure(stream, candidates, &mut launch))?;
        self.device().choices().lock().insert((key, candidates), choice);
        Ok(choice)
    }
}

fn measure(
    stream: &mut Stream,
    candidates: usize,
    launch: &mut impl FnMut(&mut Stream, usize) -> Result<()>,
) -> Result<usize> {
    let mut time = |candidate: usize, repeats: u128| -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..repeats {
            launch(stream, candidate)?;
        }
        stream.synchronize()?;
        Ok(start.elapsed())
    };
    let mut best = vec![Duration::MAX; candidates];
    let mut slowest = Duration::ZERO;
    for candidate in 0..candidates {
        // The first run makes the pipeline.
        time(candidate, 1)?;
        slowest = slowest.max(time(candidate, 1)?);
    }
    let repeats = (TURN.as_nanos() / slowest.as_nanos().max(1)).clamp(1, MOST_REPEATS);
    for _ in 0..TURNS {
        for (candidate, best) in best.iter_mut().enumerate() {
            *best = (*best).min(time(candidate, repeats)?);
        }
    }
    Ok((0..candidates).min_by_key(|candidate| best[*candidate]).unwrap_or(0))
}
