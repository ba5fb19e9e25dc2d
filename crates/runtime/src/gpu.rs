//! A device made of a wgpu adapter: pipelines, bind groups, and errors brought home.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_channel::oneshot;

use crate::buffer::{ALIGNMENT, Storage};
use crate::{Access, AdapterInfo, Buffer, DeviceOptions, Error, Half, Kernel, Result, Shaders, adapter, shader};

/// Parameter blocks of one submission live side by side in one uniform buffer.
pub(crate) const PARAMETER_STRIDE: usize = ALIGNMENT * 4;
/// Launches that a submission can take; a training step takes a few hundred.
const MAX_RECORDED: usize = 4096;
/// Launches that hardware is given at once: systems take a GPU for hung that works on a submission for some seconds (2 on
/// Windows), and it can begin while the rest is recorded.
const RECORDED_FOR_HARDWARE: usize = 64;

#[derive(Debug)]
pub(crate) struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) info: AdapterInfo,
    pub(crate) parameters: wgpu::Buffer,
    pub(crate) half: Option<Half>,
    limits: wgpu::Limits,
    shaders: Shaders,
    overhang: usize,
    pipelines: Mutex<HashMap<PipelineKey, Arc<Pipeline>>>,
    bind_groups: Mutex<HashMap<BindGroupKey, wgpu::BindGroup>>,
    failure: Arc<Mutex<Option<Error>>>,
}

#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PipelineKey {
    kernel: &'static str,
    constants: Vec<(&'static str, u64)>,
}

/// A layout depends on the kernel alone, so bind groups serve all its pipelines.
#[derive(Debug, PartialEq, Eq, Hash)]
struct BindGroupKey {
    kernel: &'static str,
    /// Memory, offset and length of each binding.
    buffers: Vec<(u64, usize, usize)>,
}

impl Gpu {
    pub(crate) async fn open(adapter: &wgpu::Adapter, info: AdapterInfo, options: &DeviceOptions) -> Result<Self> {
        let available = adapter.limits();
        // Kernels keep to WebGPU's defaults; only the size of buffers is worth asking more for.
        let mut limits = wgpu::Limits::default();
        if !options.default_limits {
            limits.max_buffer_size = limits.max_buffer_size.max(available.max_buffer_size);
            limits.max_storage_buffer_binding_size =
                limits.max_storage_buffer_binding_size.max(available.max_storage_buffer_binding_size);
        }
        // What an adapter below the defaults (OpenGL, mostly) lacks may never be needed.
        let limits = limits.or_worse_values_from(&available);
        let half = if options.half { Some(Half::of(adapter, &info)?) } else { None };
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("device"),
            required_features: required_features(adapter, options)
                | half.map_or(wgpu::Features::empty(), Half::features),
            experimental_features: half.map_or_else(wgpu::ExperimentalFeatures::disabled, Half::experimental),
            required_limits: limits.clone(),
            ..wgpu::DeviceDescriptor::default()
        };
        let (device, queue) = adapter
            .request_device(&descriptor)
            .await
            .map_err(|error| Error::Open { adapter: info.name.clone(), reason: error.to_string() })?;
        let failure = Arc::new(Mutex::new(None));
        remember_failures(&device, &failure);
        let parameters = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("parameters"),
            size: (PARAMETER_STRIDE * MAX_RECORDED) as u64,
            usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        Ok(Self {
            device,
            queue,
            info,
            parameters,
            half,
            limits,
            shaders: options.shaders,
            overhang: options.overhang,
            pipelines: Mutex::default(),
            bind_groups: Mutex::default(),
            failure,
        })
    }

    /// The first failure that wgpu reported outside a call's own result, if any.
    pub(crate) fn check(&self) -> Result<()> {
        lock(&self.failure).take().map_or(Ok(()), Err)
    }

    /// The most words that a kernel can be given as one buffer.
    pub(crate) fn max_binding_words(&self) -> usize {
        usize::try_from(self.limits.max_storage_buffer_binding_size / 4).unwrap_or(usize::MAX)
    }

    /// The most launches of a submission.
    pub(crate) fn max_recorded(&self) -> usize {
        if self.info.software { MAX_RECORDED } else { RECORDED_FOR_HARDWARE }
    }

    pub(crate) fn max_workgroups(&self) -> u32 {
        self.limits.max_compute_workgroups_per_dimension
    }

    pub(crate) fn create_buffer(&self, words: usize) -> Result<wgpu::Buffer> {
        let (size, allowed) = (words as u64 * 4, self.limits.max_buffer_size);
        if size > allowed {
            return Err(Error::TooLarge {
                what: "a buffer".into(),
                needed: mebibytes(size),
                allowed: mebibytes(allowed),
            });
        }
        let usage = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC;
        let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
        let buffer = self.device.create_buffer(&descriptor);
        self.check()?;
        Ok(buffer)
    }

    pub(crate) fn pipeline(&self, kernel: &'static Kernel, constants: &[(&'static str, f64)]) -> Arc<Pipeline> {
        let key = PipelineKey {
            kernel: kernel.name,
            constants: constants.iter().map(|(name, value)| (*name, value.to_bits())).collect(),
        };
        let mut pipelines = lock(&self.pipelines);
        if let Some(pipeline) = pipelines.get(&key) {
            return pipeline.clone();
        }
        let pipeline = Arc::new(self.create_pipeline(kernel, constants));
        pipelines.insert(key, pipeline.clone());
        pipeline
    }

    fn create_pipeline(&self, kernel: &'static Kernel, constants: &[(&'static str, f64)]) -> Pipeline {
        let label = Some(kernel.name);
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label, entries: &layout_entries(kernel) });
        let module = shader::module(&self.device, &self.shaders, kernel, constants);
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants,
                zero_initialize_workgroup_memory: false,
            },
            cache: None,
        });
        Pipeline { pipeline, layout }
    }

    pub(crate) fn bind_group(
        &self,
        kernel: &'static Kernel,
        pipeline: &Pipeline,
        buffers: &[&Buffer],
    ) -> wgpu::BindGroup {
        let key = BindGroupKey {
            kernel: kernel.name,
            buffers: buffers.iter().map(|buffer| (buffer.memory.id, buffer.offset, buffer.len())).collect(),
        };
        let create = || self.create_bind_group(kernel, pipeline, buffers);
        lock(&self.bind_groups).entry(key).or_insert_with(create).clone()
    }

    fn create_bind_group(&self, kernel: &'static Kernel, pipeline: &Pipeline, buffers: &[&Buffer]) -> wgpu::BindGroup {
        let parameters = wgpu::BufferBinding {
            buffer: &self.parameters,
            offset: 0,
            size: wgpu::BufferSize::new(parameter_bytes(kernel)),
        };
        let mut entries =
            vec![wgpu::BindGroupEntry { binding: 0, resource: wgpu::BindingResource::Buffer(parameters) }];
        entries.extend((1..).zip(buffers).map(|(binding, buffer)| {
            // Shaders may read and write the last words as one vector of up to 32 bytes; memory is handed out in multiples of it.
            let room = self.max_binding_words().min(buffer.memory.words() - buffer.offset);
            let words = (buffer.len() + self.overhang).next_multiple_of(8).min(room);
            let binding_of = wgpu::BufferBinding {
                buffer: raw(buffer),
                offset: buffer.offset as u64 * 4,
                size: wgpu::BufferSize::new(words as u64 * 4),
            };
            wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::Buffer(binding_of) }
        }));
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: Some(kernel.name),
            layout: &pipeline.layout,
            entries: &entries,
        })
    }

    /// Lets go of the memory that cached bind groups keep.
    pub(crate) fn forget_bind_groups(&self) {
        lock(&self.bind_groups).clear();
    }

    /// Begins to copy a buffer to the host, after all that was submitted before.
    pub(crate) fn read(&self, buffer: &Buffer) -> Reading {
        let size = buffer.len() as u64 * 4;
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("read"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(raw(buffer), buffer.offset as u64 * 4, &staging, 0, size);
        self.queue.submit([encoder.finish()]);
        Reading::start(staging)
    }

    /// Waits until everything submitted is done, except in a browser, which lets nobody wait.
    pub(crate) fn wait(&self) -> Result<()> {
        // wgpu 30 panics where a device is lost while it waits; the callback knows more than the panic.
        let wait = || self.device.poll(wgpu::PollType::wait_indefinitely());
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(wait));
        self.check()?;
        match polled {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(Error::Gpu(error.to_string())),
            Err(_) => Err(Error::DeviceLost("while waiting for it".into())),
        }
    }
}

#[cfg(target_arch = "wasm32")]
impl Drop for Gpu {
    /// As dropping does elsewhere: a browser would keep the device, and all its memory, until its collector comes by.
    fn drop(&mut self) {
        self.device.destroy();
    }
}

/// A buffer that is on its way to the host.
#[derive(Debug)]
pub(crate) struct Reading {
    staging: wgpu::Buffer,
    mapped: oneshot::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl Reading {
    /// Begins to map a buffer that can be, after all that was submitted before.
    pub(crate) fn start(staging: wgpu::Buffer) -> Self {
        let (sender, mapped) = oneshot::channel();
        staging.map_async(wgpu::MapMode::Read, .., move |result| {
            // The receiver is gone only where waiting has failed already.
            let _ = sender.send(result);
        });
        Self { staging, mapped }
    }

    /// What is in it.
    pub(crate) async fn contents(mut self, gpu: &Gpu) -> Result<Vec<u32>> {
        gpu.wait()?;
        // Elsewhere the wait has called back already, if anything will.
        let mapped =
            if cfg!(target_arch = "wasm32") { self.mapped.await.ok() } else { self.mapped.try_recv().ok().flatten() };
        gpu.check()?;
        if !matches!(mapped, Some(Ok(()))) {
            return Err(Error::Gpu("a buffer could not be read back".into()));
        }
        let view = self.staging.get_mapped_range(..).map_err(|error| Error::Gpu(error.to_string()))?;
        let words = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        // In a browser a buffer that is only dropped stays until its collector comes by.
        self.staging.destroy();
        Ok(words)
    }
}

/// What is beyond WebGPU's core, and asked for only where it is used.
fn required_features(adapter: &wgpu::Adapter, options: &DeviceOptions) -> wgpu::Features {
    let mut wanted = wgpu::Features::SUBGROUP | wgpu::Features::SHADER_INT64;
    wanted.set(wgpu::Features::PASSTHROUGH_SHADERS, options.shaders.replacement.is_some());
    wanted.set(wgpu::Features::TIMESTAMP_QUERY, options.timestamps);
    adapter::features(adapter) & wanted
}

/// A size for a message.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}

/// The wgpu buffer under a handle.
pub(crate) fn raw(buffer: &Buffer) -> &wgpu::Buffer {
    match buffer.memory.storage() {
        Storage::Gpu(raw) => raw,
        Storage::Cpu(_) => unreachable!("a buffer of the CPU on a GPU's stream"),
    }
}

fn parameter_bytes(kernel: &Kernel) -> u64 {
    kernel.parameters.len() as u64 * 4
}

fn layout_entries(kernel: &Kernel) -> Vec<wgpu::BindGroupLayoutEntry> {
    let entry = |binding, ty, has_dynamic_offset, min_binding_size| wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size },
        count: None,
    };
    let parameters = entry(0, wgpu::BufferBindingType::Uniform, true, wgpu::BufferSize::new(parameter_bytes(kernel)));
    let storage = (1..).zip(kernel.bindings).map(|(index, binding)| {
        let read_only = binding.access == Access::Read;
        entry(index, wgpu::BufferBindingType::Storage { read_only }, false, None)
    });
    std::iter::once(parameters).chain(storage).collect()
}

/// wgpu reports most errors beside the call that caused them; the first is kept for [`Gpu::check`].
fn remember_failures(device: &wgpu::Device, failure: &Arc<Mutex<Option<Error>>>) {
    let slot = failure.clone();
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
        let error = match error {
            wgpu::Error::OutOfMemory { .. } => Error::OutOfMemory,
            other => Error::Gpu(one_line(&other.to_string())),
        };
        lock(&slot).get_or_insert(error);
    }));
    let slot = failure.clone();
    device.set_device_lost_callback(move |reason, message| {
        // Dropping the device reports itself too.
        if reason != wgpu::DeviceLostReason::Destroyed {
            *lock(&slot) = Some(Error::DeviceLost(message));
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// wgpu explains itself over several indented lines.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
