//! The clock.

use std::time::Instant;

use anyhow::Result;

use crate::Work;

/// Calls are repeated until they take this long together, so that waiting for the device costs little of it.
const RUN_MILLISECONDS: f64 = 50.0;
/// What is kept of so many calls until the device is done fits a memory.
const MOST_CALLS: usize = 50;
/// Warming up ends at the latest after so many runs.
const MOST_WARM_UPS: usize = 12;
/// What takes longer than this is long.
const LONG_MILLISECONDS: f64 = 5000.0;

/// Something that is ready to be timed.
pub struct Timed {
    work: Work,
    calls: usize,
}

impl Timed {
    /// Does it one call at a time, at least four times (two, if it is long), until the last was no faster than those
    /// before: then shaders are compiled and chosen.
    ///
    /// # Errors
    /// As the work.
    pub fn warm(work: Work) -> Result<Self> {
        let mut timed = Self { work, calls: 1 };
        let mut best = f64::INFINITY;
        for warm_up in 0..MOST_WARM_UPS {
            let time = timed.run()?;
            let least = if best > LONG_MILLISECONDS { 1 } else { 3 };
            if warm_up >= least && time > 0.9 * best {
                break;
            }
            best = best.min(time);
        }
        timed.calls = ((RUN_MILLISECONDS / best) as usize).clamp(1, MOST_CALLS);
        Ok(timed)
    }

    /// Milliseconds that a call takes, in each of `runs` runs.
    ///
    /// # Errors
    /// As the work.
    pub fn milliseconds(&mut self, runs: usize) -> Result<Vec<f64>> {
        (0..runs).map(|_| self.run()).collect()
    }

    fn run(&mut self) -> Result<f64> {
        let start = Instant::now();
        (self.work)(self.calls)?;
        Ok(1e3 * start.elapsed().as_secs_f64() / self.calls as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_run_is_timed_after_warming_up() -> Result<()> {
        let mut timed = Timed::warm(Box::new(|calls| {
            std::thread::sleep(std::time::Duration::from_millis(5 * calls as u64));
            Ok(())
        }))?;
        assert!((1..=10).contains(&timed.calls), "{} calls", timed.calls);
        let times = timed.milliseconds(3)?;
        assert_eq!(times.len(), 3);
        assert!(times.iter().all(|time| *time >= 5.0), "{times:?}");
        Ok(())
    }
}
