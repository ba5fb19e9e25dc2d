//! What ran when: the record that a stream keeps while it is asked to.

use std::time::Duration;

use crate::{Kernel, Launch, Scalar};

/// What ran on a device, and what the host did meanwhile, between [`crate::Stream::start_profile`] and
/// [`crate::Stream::finish_profile`]. Times count from the start.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The kernels in the order of their launches.
    pub kernels: Vec<KernelSpan>,
    /// What the host did, by the order of its ends. On the CPU it also runs the kernels.
    pub host: Vec<HostSpan>,
    /// Launches that were not recorded, because there were as many already as had been asked for.
    pub omitted: usize,
}

/// One run of a kernel.
#[derive(Clone, Debug)]
pub struct KernelSpan {
    /// Which kernel.
    pub kernel: &'static Kernel,
    /// Its parameter block, a word a field.
    words: Vec<u32>,
    /// The values of the shader's `override` constants.
    pub constants: Vec<(&'static str, f64)>,
    /// The lengths of the buffers in words, in the order of the bindings.
    pub buffers: Vec<usize>,
    /// When it began. On a GPU: by the device's clock, which is brought in line with the host's once, at the
    /// start of the profile, to within the time that an empty submission takes.
    pub start: Duration,
    /// How long it took: on a GPU between two timestamps of the device, on the CPU by the host's clock.
    pub duration: Duration,
}

/// The value of a field of a parameter block.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// An unsigned integer.
    U32(u32),
    /// A float.
    F32(f32),
}

impl KernelSpan {
    pub(crate) fn new(launch: &Launch<'_, &[u8]>, start: Duration, duration: Duration) -> Self {
        Self {
            kernel: launch.kernel,
            words: bytemuck::pod_collect_to_vec(launch.parameters),
            constants: launch.constants.to_vec(),
            buffers: launch.buffers.iter().map(|buffer| buffer.len()).collect(),
            start,
            duration,
        }
    }

    /// The fields of the parameter block, by name.
    pub fn parameters(&self) -> impl Iterator<Item = (&'static str, Value)> {
        self.kernel.parameters.iter().zip(&self.words).map(|(field, word)| {
            let value = match field.scalar {
                Scalar::U32 => Value::U32(*word),
                Scalar::F32 => Value::F32(f32::from_bits(*word)),
            };
            (field.name, value)
        })
    }
}

/// What the host did for a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HostSpan {
    /// What it did.
    pub activity: Activity,
    /// When it began.
    pub start: Duration,
    /// How long it took.
    pub duration: Duration,
}

/// What a host does for a GPU; of these a CPU's stream only reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Launches were recorded, with whatever the program did between the first of them and their submission.
    Record,
    /// What was recorded was encoded into commands.
    Encode,
    /// Commands were handed to the driver.
    Submit,
    /// The host waited for the device.
    Wait,
    /// A buffer was read, which waits for the device too.
    Read,
    /// A buffer was written.
    Write,
}

impl Activity {
    /// A word for it.
    pub fn name(self) -> &'static str {
        match self {
            Activity::Record => "record",
            Activity::Encode => "encode",
            Activity::Submit => "submit",
            Activity::Wait => "wait",
            Activity::Read => "read",
            Activity::Write => "write",
        }
    }
}
