//! A device: where kernels run and buffers live.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};

use crate::buffer::{ALIGNMENT, Pool, Storage};
use crate::gpu::Gpu;
use crate::tuning::Choices;
use crate::waiting::wait;
use crate::{AdapterInfo, Buffer, DeviceOptions, Error, Half, MemoryUse, Result, Stream, adapter};

/// What any memory's address can reach, with room for rounding up.
const MAX_WORDS: usize = isize::MAX as usize / 4 - ALIGNMENT;

/// A wgpu adapter or the CPU. Cloning shares the device.
#[derive(Clone, Debug)]
pub struct Device {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    gpu: Option<Gpu>,
    half: Option<Half>,
    pool: Arc<Pool>,
    stream_open: AtomicBool,
    choices: Choices,
}

impl Device {
    /// Opens the device that the options mean.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] where no adapter fits, [`Error::Open`] where it cannot be opened,
    /// [`Error::NoHalf`] or [`Error::NoBfloat16`] where [`DeviceOptions::half`] asks for what it lacks, and
    /// [`Error::CannotWait`] in a browser unless they mean the CPU.
    pub fn open(options: &DeviceOptions) -> Result<Self> {
        wait(Self::open_async(options))?
    }

    /// As [`Device::open`], without waiting: the way to a GPU in a browser.
    ///
    /// # Errors
    /// As [`Device::open`].
    pub async fn open_async(options: &DeviceOptions) -> Result<Self> {
        let gpu = match adapter::choose(options).await? {
            Some((adapter, info)) => {
                let info = AdapterInfo { software: info.software && !options.as_hardware, ..info };
                Some(Gpu::open(&adapter, info, options).await?)
            }
            None => None,
        };
        let half = match &gpu {
            Some(gpu) => gpu.half,
            None if options.half => Some(Half::of_cpu()?),
            None => None,
        };
        let inner =
            Inner { gpu, half, pool: Arc::default(), stream_open: AtomicBool::new(false), choices: Choices::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The adapter under this device; `None` on the CPU.
    pub fn adapter(&self) -> Option<&AdapterInfo> {
        self.inner.gpu.as_ref().map(|gpu| &gpu.info)
    }

    /// Whether kernels run on a hardware GPU.
    pub fn is_hardware_gpu(&self) -> bool {
        self.adapter().is_some_and(|info| !info.software)
    }

    /// Whether kernels run on a hardware GPU with cores and memory for large models: any that is not part of a processor.
    pub fn is_large_gpu(&self) -> bool {
        self.adapter().is_some_and(|info| !info.software && !info.integrated)
    }

    /// What kernels of reduced precision find here; `None` unless [`DeviceOptions::half`] asked for it.
    pub fn half(&self) -> Option<Half> {
        self.inner.half
    }

    /// The memory of all buffers, now and at most.
    pub fn memory(&self) -> MemoryUse {
        self.inner.pool.memory()
    }

    /// A buffer of `len` words. Its contents are unspecified: whoever allocates also writes.
    ///
    /// # Errors
    /// [`Error::TooLarge`] above the device's limit, [`Error::OutOfMemory`].
    pub fn allocate(&self, len: usize) -> Result<Buffer> {
        if len > MAX_WORDS {
            return Err(Error::TooLarge {
                what: "a buffer".into(),
                needed: format!("{len} words"),
                allowed: format!("{MAX_WORDS} words"),
            });
        }
        match self.inner.pool.take(len, |words| self.create_storage(words)) {
            // What is kept for reuse may be of other sizes; without it there may be enough.
            Err(Error::OutOfMemory) => {
                self.forget_unused();
                self.inner.pool.take(len, |words| self.create_storage(words))
            }
            result => result,
        }
    }

    /// Whether a kernel can be given a buffer as a whole.
    pub fn is_bindable(&self, buffer: &Buffer) -> bool {
        buffer.len() <= self.max_binding_words()
    }

    fn max_binding_words(&self) -> usize {
        self.inner.gpu.as_ref().map_or(MAX_WORDS, Gpu::max_binding_words)
    }

    /// A buffer in pieces, the fewest that a kernel can be given: by default WebGPU binds no more than 128 MiB at once,
    /// where a buffer may be larger.
    pub fn pieces(&self, buffer: &Buffer) -> impl Iterator<Item = Buffer> + use<> {
        let most = (self.max_binding_words() / ALIGNMENT * ALIGNMENT).max(ALIGNMENT);
        let buffer = buffer.clone();
        (0..buffer.len()).step_by(most).map(move |start| buffer.slice(start..buffer.len().min(start + most)))
    }

    /// Gives back the memory that is kept for reuse; the peaks of [`Device::memory`] begin anew.
    pub fn release_unused(&self) {
        self.forget_unused();
        self.inner.pool.forget_peaks();
    }

    fn forget_unused(&self) {
        if let Some(gpu) = &self.inner.gpu {
            gpu.forget_bind_groups();
        }
        self.inner.pool.forget_unused();
    }

    fn create_storage(&self, words: usize) -> Result<Storage> {
        if let Some(gpu) = &self.inner.gpu {
            return gpu.create_buffer(words).map(Storage::Gpu);
        }
        let mut memory = Vec::new();
        memory.try_reserve_exact(words).map_err(|_| Error::OutOfMemory)?;
        memory.resize(words, 0);
        Ok(Storage::Cpu(RwLock::new(memory)))
    }

    /// The stream on which kernels are dispatched.
    ///
    /// # Errors
    /// [`Error::StreamInUse`]: freed memory is reused in the order of one stream, so there is one.
    pub fn stream(&self) -> Result<Stream> {
        if self.inner.stream_open.swap(true, Ordering::Acquire) {
            return Err(Error::StreamInUse);
        }
        Ok(Stream::new(self.clone()))
    }

    pub(crate) fn stream_closed(&self) {
        self.inner.stream_open.store(false, Ordering::Release);
    }

    pub(crate) fn choices(&self) -> &Choices {
        &self.inner.choices
    }

    pub(crate) fn gpu(&self) -> Option<&Gpu> {
        self.inner.gpu.as_ref()
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.adapter() {
            Some(info) => info.fmt(f),
            None => match rayon::current_num_threads() {
                1 => f.write_str("CPU (1 thread)"),
                threads => write!(f, "CPU ({threads} threads)"),
            },
        }
    }
}
