//! The device's clock: a timestamp before and after each dispatch.

use std::time::Duration;

use web_time::Instant;

use crate::gpu::{Gpu, Reading};
use crate::waiting::wait;
use crate::{Error, Result};

/// Dispatches of a submission that can be timed: two queries each, of the 4,096 that wgpu grants a set.
pub(crate) const MAX_TIMED: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

/// Bytes of a timestamp.
const TIMESTAMP: u64 = wgpu::QUERY_SIZE as u64;

/// Times dispatches, each in a compute pass of its own: timestamps at the ends of passes are what every
/// adapter with timestamps has, while those within a pass are an extra.
#[derive(Debug)]
pub(crate) struct Timer {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
    /// What each submission left, to be mapped once the device is done.
    readings: Vec<wgpu::Buffer>,
    /// The device's clock at the start.
    zero: u64,
    nanoseconds_a_tick: f64,
}

impl Timer {
    /// A timer, and the host's time when it was started.
    pub(crate) fn start(gpu: &Gpu) -> Result<(Self, Instant)> {
        if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            return Err(Error::NoTimestamps(gpu.info.name.clone()));
        }
        let descriptor = wgpu::QuerySetDescriptor {
            label: Some("timestamps"),
            ty: wgpu::QueryType::Timestamp,
            count: wgpu::QUERY_SET_MAX_QUERIES,
        };
        let mut timer = Self {
            queries: gpu.device.create_query_set(&descriptor),
            resolved: gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size: u64::from(wgpu::QUERY_SET_MAX_QUERIES) * TIMESTAMP,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
            readings: Vec::new(),
            zero: 0,
            nanoseconds_a_tick: f64::from(gpu.queue.get_timestamp_period()),
        };
        gpu.wait()?;
        let before = Instant::now();
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        timer.pass(&mut encoder, 0);
        timer.resolve(gpu, &mut encoder, 1);
        gpu.queue.submit([encoder.finish()]);
        gpu.wait()?;
        // The timestamp lies between the two readings of the host's clock.
        let began = before + before.elapsed() / 2;
        timer.zero = timer.read(gpu)?.first().map_or(0, |[start, _]| *start);
        Ok((timer, began))
    }

    /// The pass of the dispatch `index` of a submission.
    pub(crate) fn pass<'e>(&self, encoder: &'e mut wgpu::CommandEncoder, index: usize) -> wgpu::ComputePass<'e> {
        let first = 2 * index as u32;
        encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
            label: None,
            timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                query_set: &self.queries,
                beginning_of_pass_write_index: Some(first),
                end_of_pass_write_index: Some(first + 1),
            }),
        })
    }

    /// Brings the timestamps of the submission's first `dispatches` to safety before the next one.
    pub(crate) fn resolve(&mut self, gpu: &Gpu, encoder: &mut wgpu::CommandEncoder, dispatches: usize) {
        if dispatches == 0 {
            return;
        }
        let size = 2 * dispatches as u64 * TIMESTAMP;
        let reading = gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("timestamps"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        encoder.resolve_query_set(&self.queries, 0..2 * dispatches as u32, &self.resolved, 0);
        encoder.copy_buffer_to_buffer(&self.resolved, 0, &reading, 0, size);
        self.readings.push(reading);
    }

    /// Start and duration of each timed dispatch since the start. Waits for the device.
    pub(crate) fn finish(mut self, gpu: &Gpu) -> Result<Vec<(Duration, Duration)>> {
        let (zero, nanoseconds_a_tick) = (self.zero, self.nanoseconds_a_tick);
        let duration = |ticks: u64| Duration::from_nanos((ticks as f64 * nanoseconds_a_tick) as u64);
        let span = |[start, end]: [u64; 2]| (duration(start.saturating_sub(zero)), duration(end.saturating_sub(start)));
        Ok(self.read(gpu)?.into_iter().map(span).collect())
    }

    /// Takes the timestamps at both ends of each dispatch, in ticks.
    fn read(&mut self, gpu: &Gpu) -> Result<Vec<[u64; 2]>> {
        let mut ticks = Vec::new();
        for reading in self.readings.drain(..) {
            ticks.extend(bytemuck::pod_collect_to_vec::<u32, [u64; 2]>(&wait(Reading::start(reading).contents(gpu))??));
        }
        Ok(ticks)
    }
}
