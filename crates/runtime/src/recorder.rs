//! A profile in the making.

use std::time::Duration;

use web_time::Instant;

use crate::gpu::Gpu;
use crate::timer::Timer;
use crate::{Activity, HostSpan, KernelSpan, Launch, Profile, Result};

/// Takes down what a stream does, until there are as many kernels as were asked for.
#[derive(Debug)]
pub(crate) struct Recorder {
    began: Instant,
    limit: usize,
    profile: Profile,
    /// On a GPU.
    timer: Option<Timer>,
    /// Kernels that have gone to the driver.
    submitted: usize,
    /// When the first launch since the last submission came.
    recording: Option<Instant>,
}

impl Recorder {
    pub(crate) fn start(gpu: Option<&Gpu>, limit: usize) -> Result<Self> {
        let (timer, began) = match gpu {
            Some(gpu) => {
                let (timer, began) = Timer::start(gpu)?;
                (Some(timer), began)
            }
            None => (None, Instant::now()),
        };
        Ok(Self { began, limit, profile: Profile::default(), timer, submitted: 0, recording: None })
    }

    pub(crate) fn is_full(&self) -> bool {
        self.profile.kernels.len() >= self.limit
    }

    /// The host has done something since `start`.
    pub(crate) fn host(&mut self, activity: Activity, start: Instant) {
        // Beside no kernels it would say little, and there would be no bound to their number.
        if !self.is_full() {
            let (start, duration) = (start.saturating_duration_since(self.began), start.elapsed());
            self.profile.host.push(HostSpan { activity, start, duration });
        }
    }

    /// Runs a CPU body by the host's clock.
    pub(crate) fn run(&mut self, launch: &Launch<'_, &[u8]>, body: impl FnOnce()) {
        let start = Instant::now();
        body();
        let duration = start.elapsed();
        self.push(launch, start.saturating_duration_since(self.began), duration);
    }

    /// A launch was recorded that the timer will time.
    pub(crate) fn queue(&mut self, launch: &Launch<'_, &[u8]>) {
        self.recording.get_or_insert_with(Instant::now);
        self.push(launch, Duration::ZERO, Duration::ZERO);
    }

    fn push(&mut self, launch: &Launch<'_, &[u8]>, start: Duration, duration: Duration) {
        if self.is_full() {
            self.profile.omitted += 1;
        } else {
            self.profile.kernels.push(KernelSpan::new(launch, start, duration));
        }
    }

    /// A submission begins: how many of its launches are timed, and by what.
    pub(crate) fn submission(&mut self) -> (usize, Option<&mut Timer>) {
        if let Some(start) = self.recording.take() {
            self.host(Activity::Record, start);
        }
        let timed = self.profile.kernels.len() - self.submitted;
        self.submitted += timed;
        (timed, self.timer.as_mut())
    }

    /// The profile, with the times of what a GPU ran.
    pub(crate) fn finish(mut self, gpu: Option<&Gpu>) -> Result<Profile> {
        if let (Some(timer), Some(gpu)) = (self.timer, gpu) {
            for (span, (start, duration)) in self.profile.kernels.iter_mut().zip(timer.finish(gpu)?) {
                (span.start, span.duration) = (start, duration);
            }
        }
        Ok(self.profile)
    }
}
