//! Which of several ways to compute the same is the fastest on a device: measured once, then remembered.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use web_time::Instant;

use crate::{Error, Result, Stream};

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
const TURNS: usize = 4;
/// A turn repeats a candidate for at least so long, so that submitting and waiting weigh little.
const TURN: Duration = Duration::from_millis(4);
/// But no more often than this.
const MOST_REPEATS: u32 = 256;

impl Stream {
    /// The fastest of `candidates` ways to do the same on this device, counted from 0. The first call with a key (and as many
    /// candidates) launches each six to a thousand times, and waits for the device; calls after that remember. One that the
    /// driver refuses is not chosen. A profile does not show these launches. In a browser, where nothing can be waited for, it is
    /// the first.
    ///
    /// # Errors
    /// Those of `launch`, and what the driver reports; of candidates that it refuses, where it refuses them all.
    pub fn fastest(
        &mut self,
        key: TuningKey,
        candidates: usize,
        mut launch: impl FnMut(&mut Stream, usize) -> Result<()>,
    ) -> Result<usize> {
        if let Some(choice) = self.device().choices().lock().get(&(key, candidates)) {
            return Ok(*choice);
        }
        if cfg!(target_arch = "wasm32") {
            return Ok(0);
        }
        self.synchronize()?;
        let choice = self.without_profile(|stream| measure(stream, candidates, &mut launch))?;
        self.device().choices().lock().insert((key, candidates), choice);
        Ok(choice)
    }
}

/// A candidate that works.
struct Candidate {
    index: usize,
    /// Launches in a turn.
    repeats: u32,
    /// The time of one, at best.
    best: Duration,
}

fn measure(
    stream: &mut Stream,
    candidates: usize,
    launch: &mut impl FnMut(&mut Stream, usize) -> Result<()>,
) -> Result<usize> {
    let mut turn = |index: usize, repeats: u32| -> Result<Duration> {
        let start = Instant::now();
        for _ in 0..repeats {
            launch(stream, index)?;
        }
        stream.synchronize()?;
        Ok(start.elapsed())
    };
    let (mut working, mut refused) = (Vec::new(), None);
    for index in 0..candidates {
        // The first run makes the pipeline.
        match turn(index, 1) {
            Err(error @ Error::Gpu(_)) => refused = Some(error),
            first => {
                first?;
                working.push(Candidate { index, repeats: 1, best: Duration::MAX });
            }
        }
    }
    // Finding out how often makes the device as fast as it gets, too.
    for candidate in &mut working {
        while candidate.repeats < MOST_REPEATS && turn(candidate.index, candidate.repeats)? < TURN {
            candidate.repeats *= 2;
        }
    }
    for _ in 0..TURNS {
        for candidate in &mut working {
            candidate.best = candidate.best.min(turn(candidate.index, candidate.repeats)? / candidate.repeats);
        }
        // Nobody is always the first after another.
        working.reverse();
    }
    match (working.iter().min_by_key(|candidate| (candidate.best, candidate.index)), refused) {
        (Some(fastest), _) => Ok(fastest.index),
        (None, Some(error)) => Err(error),
        (None, None) => Ok(0),
    }
}
