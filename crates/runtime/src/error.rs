//! What can go wrong between a program and its device.

/// The result of everything that touches a device.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of the device or of its use; each prints as one sentence.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No adapter fits what was asked for.
    #[error("{0}")]
    NoAdapter(String),
    /// The options ask for the CPU and for an adapter.
    #[error("--device cpu takes no --adapter or --backend; leave one of them out")]
    Contradiction,
    /// The adapter refused to open.
    #[error("the adapter {adapter} could not be opened: {reason}; choose another with --adapter, or use --device cpu")]
    Open {
        /// The adapter's name.
        adapter: String,
        /// What wgpu said.
        reason: String,
    },
    /// Reduced precision was asked for where there is none.
    #[error("--precision half needs 16-bit floats, which {0} does not have; leave it out, or choose another --adapter")]
    NoHalf(String),
    /// Reduced precision was asked for on a CPU that has no [`crate::VectorUnit`].
    #[error(
        "--precision half needs a processor that multiplies bfloat16 (AVX-512 with BF16, as AMD's have from Zen 4 on); leave it out"
    )]
    NoBfloat16,
    /// A kernel was given shapes that do not fit together.
    #[error("{kernel}: {message}")]
    Shape {
        /// The kernel's name.
        kernel: &'static str,
        /// Which shapes, and what was expected of them.
        message: String,
    },
    /// A kernel that has a body for the CPU alone was launched on an adapter.
    #[error("the kernel {0} has no shader; launch it on the CPU")]
    NoShader(&'static str),
    /// One buffer was bound twice in a launch that writes it.
    #[error(
        "{kernel}: the buffer bound as `{binding}` is also bound elsewhere in the same launch, and one of the two is written"
    )]
    Aliased {
        /// The kernel's name.
        kernel: &'static str,
        /// The name of the second binding.
        binding: &'static str,
    },
    /// More was asked for than the device allows at once.
    #[error("{what} needs {needed}, but the device allows {allowed}; use a smaller batch or model")]
    TooLarge {
        /// The allocation or the launch.
        what: String,
        /// The size asked for, with its unit.
        needed: String,
        /// The device's limit, with its unit.
        allowed: String,
    },
    /// The device has no memory left.
    #[error("the device is out of memory; use a smaller --batch or a smaller preset")]
    OutOfMemory,
    /// The driver took the device away: a reset, a time-out, an unplugged card.
    #[error(
        "the device was lost ({0}); start again from the last checkpoint, with a smaller --batch if it happens again"
    )]
    DeviceLost(String),
    /// The driver or wgpu refused something that should have been right.
    #[error("the GPU reported an error: {0}")]
    Gpu(String),
    /// Kernels cannot be timed: the adapter has no timestamps, or the device was opened without them.
    #[error(
        "the adapter {0} cannot time kernels: it has no timestamp queries, or was opened without; choose another, or use --device cpu"
    )]
    NoTimestamps(String),
    /// A browser's GPU was to be waited for.
    #[error("a browser lets no program wait for its GPU; use Device::open_async and Stream::read_async")]
    CannotWait,
    /// A second stream was asked for while one is open.
    #[error("this device has an open stream already; a device takes one stream at a time")]
    StreamInUse,
}
