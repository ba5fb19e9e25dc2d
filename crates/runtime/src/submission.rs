//! What is recorded for a GPU, and how it becomes commands.

use std::sync::Arc;

use crate::gpu::{Gpu, PARAMETER_STRIDE, Pipeline};
use crate::timer::Timer;

/// A launch that waits for its submission.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) bind_group: wgpu::BindGroup,
    pub(crate) workgroups: [u32; 3],
}

impl Recorded {
    /// Dispatches the launch `index` of a submission.
    fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, index: usize) {
        pass.set_pipeline(&self.pipeline.pipeline);
        pass.set_bind_group(0, &self.bind_group, &[(index * PARAMETER_STRIDE) as u32]);
        let [x, y, z] = self.workgroups;
        pass.dispatch_workgroups(x, y, z);
    }
}

/// Encodes launches: the first `timed` of them in a timed pass each, the others in one pass.
pub(crate) fn encode(gpu: &Gpu, launches: &[Recorded], timed: usize, timer: Option<&mut Timer>) -> wgpu::CommandBuffer {
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    if let Some(timer) = timer {
        for (index, launch) in launches[..timed].iter().enumerate() {
            launch.dispatch(&mut timer.pass(&mut encoder, index), index);
        }
        timer.resolve(gpu, &mut encoder, timed);
    }
    if timed < launches.len() {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for (index, launch) in launches.iter().enumerate().skip(timed) {
            launch.dispatch(&mut pass, index);
        }
    }
    encoder.finish()
}
