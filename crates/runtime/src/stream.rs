//! A stream: the order in which kernels run.

use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

use bytemuck::Pod;
use web_time::Instant;

use crate::buffer::Storage;
use crate::gpu::{Gpu, PARAMETER_STRIDE, Reading, mebibytes, raw};
use crate::recorder::Recorder;
use crate::submission::{Recorded, encode};
use crate::timer::MAX_TIMED;
use crate::waiting::wait;
use crate::{Access, Activity, Argument, Arguments, Buffer, Device, Error, Launch, Profile, Result};

/// Takes launches in order. On the CPU each runs at once, on all threads of rayon's pool: from one of those, as under
/// `rayon::scope`, a launch costs some 15 µs less than from any other thread. On a GPU they are recorded and go to the
/// driver together, in one compute pass, when the stream is submitted or something is read; on hardware every 64 of them.
#[derive(Debug)]
pub struct Stream {
    device: Device,
    recorded: Vec<Recorded>,
    parameters: Vec<u8>,
    recorder: Option<Box<Recorder>>,
}

impl Stream {
    pub(crate) fn new(device: Device) -> Self {
        Self { device, recorded: Vec::new(), parameters: Vec::new(), recorder: None }
    }

    /// The device that this stream feeds.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A buffer of `len` words with unspecified contents; see [`Device::allocate`].
    ///
    /// # Errors
    /// As [`Device::allocate`].
    pub fn allocate(&self, len: usize) -> Result<Buffer> {
        self.device.allocate(len)
    }

    /// Runs a kernel after all that was launched before.
    ///
    /// # Errors
    /// [`Error::Aliased`] where a written buffer is bound twice, [`Error::NoShader`] and [`Error::TooLarge`] where the
    /// device takes fewer workgroups or smaller buffers ([`Device::pieces`]), and what the driver reports.
    pub fn launch<P: Pod>(&mut self, launch: &Launch<'_, P>) -> Result<()> {
        let Launch { kernel, buffers, constants, workgroups, .. } = *launch;
        let parameters = bytemuck::bytes_of(&launch.parameters);
        self.launch_bytes(&Launch { kernel, parameters, buffers, constants, workgroups })
    }

    /// The same for parameters of any kind: compiled once, not for each of them.
    fn launch_bytes(&mut self, launch: &Launch<'_, &[u8]>) -> Result<()> {
        check_aliases(launch)?;
        let device = self.device.clone();
        match device.gpu() {
            Some(gpu) => self.record(gpu, launch),
            None => {
                match &mut self.recorder {
                    Some(recorder) => recorder.run(launch, || run_on_cpu(launch)),
                    None => run_on_cpu(launch),
                }
                Ok(())
            }
        }
    }

    /// Records from here on what runs when, up to `limit` kernels. On a GPU each kernel gets a compute pass
    /// and two timestamps of its own, which takes some time that is not in the kernels'; copies between
    /// its buffers are not recorded. Results are those of a run without.
    ///
    /// # Errors
    /// [`Error::NoTimestamps`] where the adapter has none, or [`crate::DeviceOptions::timestamps`] was not
    /// set; what the driver reports.
    pub fn start_profile(&mut self, limit: usize) -> Result<()> {
        self.submit()?;
        self.recorder = Some(Box::new(Recorder::start(self.device.gpu(), limit)?));
        Ok(())
    }

    /// Whether a profile has as many kernels as it was to have.
    pub fn profile_is_full(&self) -> bool {
        self.recorder.as_ref().is_some_and(|recorder| recorder.is_full())
    }

    /// What ran since [`Stream::start_profile`], or nothing without it. Waits for the device.
    ///
    /// # Errors
    /// What the driver reports.
    pub fn finish_profile(&mut self) -> Result<Profile> {
        self.submit()?;
        self.recorder.take().map_or_else(|| Ok(Profile::default()), |recorder| recorder.finish(self.device.gpu()))
    }

    /// Does `work` without recording it, where a profile is being made.
    pub(crate) fn without_profile<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let recorder = self.recorder.take();
        let result = work(self);
        self.recorder = recorder;
        result
    }

    fn note(&mut self, activity: Activity, start: Instant) {
        if let Some(recorder) = &mut self.recorder {
            recorder.host(activity, start);
        }
    }

    fn record(&mut self, gpu: &Gpu, launch: &Launch<'_, &[u8]>) -> Result<()> {
        if launch.kernel.wgsl.is_none() {
            return Err(Error::NoShader(launch.kernel.name));
        }
        let largest = launch.workgroups.into_iter().max().unwrap_or(0);
        if largest > gpu.max_workgroups() {
            return Err(Error::TooLarge {
                what: format!("the kernel {}", launch.kernel.name),
                needed: format!("{largest} workgroups"),
                allowed: gpu.max_workgroups().to_string(),
            });
        }
        let bindable = gpu.max_binding_words();
        for (binding, buffer) in launch.kernel.bindings.iter().zip(launch.buffers) {
            if buffer.len() > bindable {
                return Err(Error::TooLarge {
                    what: format!("`{}` of the kernel {}", binding.name, launch.kernel.name),
                    needed: mebibytes(buffer.len() as u64 * 4),
                    allowed: mebibytes(bindable as u64 * 4),
                });
            }
        }
        let most = gpu.max_recorded();
        let most = if self.recorder.is_some() { most.min(MAX_TIMED) } else { most };
        if self.recorded.len() >= most {
            self.submit()?;
        }
        if let Some(recorder) = &mut self.recorder {
            recorder.queue(launch);
        }
        let pipeline = gpu.pipeline(launch.kernel, launch.constants);
        let bind_group = gpu.bind_group(launch.kernel, &pipeline, launch.buffers);
        self.parameters.extend_from_slice(launch.parameters);
        self.parameters.resize((self.recorded.len() + 1) * PARAMETER_STRIDE, 0);
        self.recorded.push(Recorded { pipeline, bind_group, workgroups: launch.workgroups });
        Ok(())
    }

    /// Hands everything recorded to the driver without waiting for it.
    ///
    /// # Errors
    /// What the driver has reported since the last call.
    pub fn submit(&mut self) -> Result<()> {
        let device = self.device.clone();
        let Some(gpu) = device.gpu() else { return Ok(()) };
        if self.recorded.is_empty() {
            return gpu.check();
        }
        gpu.queue.write_buffer(&gpu.parameters, 0, &self.parameters);
        let (timed, timer) = match &mut self.recorder {
            Some(recorder) => recorder.submission(),
            None => (0, None),
        };
        let start = Instant::now();
        let commands = encode(gpu, &self.recorded, timed, timer);
        self.note(Activity::Encode, start);
        let start = Instant::now();
        gpu.queue.submit([commands]);
        self.note(Activity::Submit, start);
        self.recorded.clear();
        self.parameters.clear();
        gpu.check()
    }

    /// Submits, and waits until the device is done; in a browser, which lets nobody wait, it only submits.
    ///
    /// # Errors
    /// What the driver has reported since the last call.
    pub fn synchronize(&mut self) -> Result<()> {
        self.submit()?;
        let start = Instant::now();
        if let Some(gpu) = self.device.gpu() {
            gpu.wait()?;
            self.note(Activity::Wait, start);
        }
        Ok(())
    }

    /// A new buffer that holds `data`, whose items are one word each or fill words together
    /// (bytes, for one); the last word is padded with zeros.
    ///
    /// # Errors
    /// As [`Device::allocate`].
    pub fn upload<T: Pod>(&mut self, data: &[T]) -> Result<Buffer> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let buffer = self.allocate(bytes.len().div_ceil(4))?;
        self.write(&buffer, data)?;
        Ok(buffer)
    }

    /// Overwrites the start of a buffer, after all that was launched before.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where the buffer is smaller than the data.
    pub fn write<T: Pod>(&mut self, buffer: &Buffer, data: &[T]) -> Result<()> {
        let bytes: &[u8] = bytemuck::cast_slice(data);
        let words = bytes.len().div_ceil(4);
        if words > buffer.len() {
            return Err(Error::TooLarge {
                what: "a write".into(),
                needed: format!("{words} words"),
                allowed: format!("{} words", buffer.len()),
            });
        }
        // The driver puts writes before the submission they precede: what is recorded goes first.
        self.submit()?;
        let start = Instant::now();
        match buffer.memory.storage() {
            Storage::Gpu(raw) => {
                let Some(gpu) = self.device.gpu() else { unreachable!("a buffer of a GPU on the CPU's stream") };
                let whole = bytes.len() / 4 * 4;
                let offset = buffer.offset as u64 * 4;
                gpu.queue.write_buffer(raw, offset, &bytes[..whole]);
                if whole < bytes.len() {
                    let mut last = [0; 4];
                    last[..bytes.len() - whole].copy_from_slice(&bytes[whole..]);
                    gpu.queue.write_buffer(raw, offset + whole as u64, &last);
                }
                gpu.check()?;
            }
            Storage::Cpu(lock) => {
                let mut all = lock.write().unwrap_or_else(PoisonError::into_inner);
                let target = &mut all[buffer.offset..buffer.offset + words];
                if let Some(last) = target.last_mut() {
                    *last = 0;
                }
                bytemuck::cast_slice_mut::<u32, u8>(target)[..bytes.len()].copy_from_slice(bytes);
            }
        }
        self.note(Activity::Write, start);
        Ok(())
    }

    /// The contents of a buffer, after all that was launched before.
    ///
    /// # Errors
    /// What the driver reports; [`Error::CannotWait`] for a GPU in a browser.
    pub fn read<T: Pod>(&mut self, buffer: &Buffer) -> Result<Vec<T>> {
        self.submit()?;
        let start = Instant::now();
        let words = wait(self.read_async(buffer)?)??;
        self.note(Activity::Read, start);
        Ok(words)
    }

    /// As [`Stream::read`], without waiting, which in a browser is the way to read from a GPU: what comes is what the buffer
    /// holds at this call, whatever is launched before it is awaited.
    ///
    /// # Errors
    /// What the driver reports, now or when it is awaited.
    pub fn read_async<T: Pod>(&mut self, buffer: &Buffer) -> Result<impl Future<Output = Result<Vec<T>>> + use<T>> {
        self.submit()?;
        let device = self.device.clone();
        let read = match (buffer.memory.storage(), device.gpu()) {
            (Storage::Gpu(_), Some(gpu)) => Read::Begun(gpu.read(buffer)),
            (Storage::Cpu(lock), _) => {
                let all = lock.read().unwrap_or_else(PoisonError::into_inner);
                Read::Done(bytemuck::pod_collect_to_vec(&all[buffer.offset..buffer.offset + buffer.len()]))
            }
            (Storage::Gpu(_), None) => unreachable!("a buffer of a GPU on the CPU's stream"),
        };
        Ok(async move {
            match (read, device.gpu()) {
                (Read::Begun(reading), Some(gpu)) => Ok(bytemuck::pod_collect_to_vec(&reading.contents(gpu).await?)),
                (Read::Begun(_), None) => unreachable!("begun by a GPU"),
                (Read::Done(data), _) => Ok(data),
            }
        })
    }

    /// Copies all of `from` to the start of `to`, after all that was launched before.
    ///
    /// # Errors
    /// [`Error::TooLarge`] where `to` is smaller.
    pub fn copy(&mut self, from: &Buffer, to: &Buffer) -> Result<()> {
        if from.len() > to.len() {
            return Err(Error::TooLarge {
                what: "a copy".into(),
                needed: format!("{} words", from.len()),
                allowed: format!("{} words", to.len()),
            });
        }
        self.submit()?;
        match self.device.gpu() {
            Some(gpu) => {
                let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
                let bytes = |words: usize| words as u64 * 4;
                encoder.copy_buffer_to_buffer(
                    raw(from),
                    bytes(from.offset),
                    raw(to),
                    bytes(to.offset),
                    bytes(from.len()),
                );
                gpu.queue.submit([encoder.finish()]);
                gpu.check()
            }
            None => {
                let words: Vec<u32> = self.read(from)?;
                self.write(to, &words)
            }
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A failure shows at the next use of the device.
        let _ = self.submit();
        self.device.stream_closed();
    }
}

/// What a buffer holds, or what brings it.
enum Read<T> {
    Begun(Reading),
    Done(Vec<T>),
}

fn check_aliases(launch: &Launch<'_, &[u8]>) -> Result<()> {
    let kernel = launch.kernel;
    if launch.buffers.len() != kernel.bindings.len() {
        unreachable!("{} has {} bindings, not {}", kernel.name, kernel.bindings.len(), launch.buffers.len());
    }
    for (second, binding) in kernel.bindings.iter().enumerate() {
        for first in 0..second {
            let written = [kernel.bindings[first].access, binding.access].contains(&Access::ReadWrite);
            if written && launch.buffers[first].shares_memory_with(launch.buffers[second]) {
                return Err(Error::Aliased { kernel: kernel.name, binding: binding.name });
            }
        }
    }
    Ok(())
}

enum Guard<'a> {
    Read(RwLockReadGuard<'a, Vec<u32>>),
    Write(RwLockWriteGuard<'a, Vec<u32>>),
}

fn run_on_cpu(launch: &Launch<'_, &[u8]>) {
    // No lock can wait: one stream, and no written buffer is bound twice.
    let mut guards: Vec<Guard<'_>> = launch
        .buffers
        .iter()
        .zip(launch.kernel.bindings)
        .map(|(buffer, binding)| {
            let Storage::Cpu(lock) = buffer.memory.storage() else {
                unreachable!("a buffer of a GPU on the CPU's stream")
            };
            match binding.access {
                Access::Read => Guard::Read(lock.read().unwrap_or_else(PoisonError::into_inner)),
                Access::ReadWrite => Guard::Write(lock.write().unwrap_or_else(PoisonError::into_inner)),
            }
        })
        .collect();
    let bindings = guards
        .iter_mut()
        .zip(launch.buffers)
        .map(|(guard, buffer)| {
            let range = buffer.offset..buffer.offset + buffer.len();
            match guard {
                Guard::Read(words) => Argument::Read(&words[range]),
                Guard::Write(words) => Argument::Write(&mut words[range]),
            }
        })
        .collect();
    let arguments = Arguments { bindings, constants: launch.constants };
    (launch.kernel.cpu)(launch.parameters, arguments);
}
