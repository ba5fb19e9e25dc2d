//! Shape checks: every launch refuses buffers that do not fit, and says which.

use runtime::{Buffer, Error, Kernel, Result, Scalar, Stream};

/// The Rust side of [`Scalar`].
pub(crate) trait ParameterScalar {
    const SCALAR: Scalar;
}

impl ParameterScalar for u32 {
    const SCALAR: Scalar = Scalar::U32;
}

impl ParameterScalar for f32 {
    const SCALAR: Scalar = Scalar::F32;
}

/// Refuses with `message` unless `fits`.
pub(crate) fn ensure(kernel: &Kernel, fits: bool, message: impl FnOnce() -> String) -> Result<()> {
    if fits { Ok(()) } else { Err(Error::Shape { kernel: kernel.name, message: message() }) }
}

/// Lanes among which the kernels with subgroups pass values round.
const SUBGROUP: u32 = 8;

/// Whether kernels with subgroups run on a stream's device; on the CPU their bodies do without.
pub(crate) fn has_subgroups(stream: &Stream) -> bool {
    stream.device().adapter().is_none_or(|info| info.smallest_subgroup.is_some_and(|lanes| lanes >= SUBGROUP))
}

/// Whether a stream's device is an adapter that runs on a CPU, where other tilings are fast than on hardware.
pub(crate) fn on_software(stream: &Stream) -> bool {
    stream.device().adapter().is_some_and(|info| info.software)
}

/// Whether a stream's device has integers of 64 bits, as the CPU does.
pub(crate) fn has_wide_integers(stream: &Stream) -> bool {
    stream.device().adapter().is_none_or(|info| info.wide_integers)
}

/// Whether a stream's device is faster with pairs of floats: adapters that run on a CPU and have integers of 64 bits.
pub(crate) fn prefers_pairs(stream: &Stream) -> bool {
    on_software(stream) && has_wide_integers(stream)
}

/// Refuses a device without integers of 64 bits, for a kernel that needs them.
pub(crate) fn expect_wide_integers(kernel: &Kernel, stream: &Stream) -> Result<()> {
    ensure(kernel, has_wide_integers(stream), || "the adapter has no integers of 64 bits".into())
}

/// The product of `dimensions`, which shaders must be able to index with a `u32`.
pub(crate) fn volume(kernel: &Kernel, dimensions: &[usize]) -> Result<usize> {
    dimensions
        .iter()
        .try_fold(1usize, |product, dimension| product.checked_mul(*dimension))
        .filter(|product| (1..u32::MAX as usize).contains(product))
        .ok_or_else(|| Error::Shape {
            kernel: kernel.name,
            message: format!("the shape {dimensions:?} is empty or exceeds what 32 bits can index"),
        })
}

/// Refuses a buffer that has not the shape given by `dimensions`.
pub(crate) fn expect(kernel: &Kernel, binding: &str, buffer: &Buffer, dimensions: &[usize]) -> Result<()> {
    let expected = volume(kernel, dimensions)?;
    ensure(kernel, buffer.len() == expected, || {
        format!("`{binding}` has {} elements, expected {expected} for the shape {dimensions:?}", buffer.len())
    })
}

/// Refuses two buffers of different lengths, and empty ones; gives the length as shaders take it.
pub(crate) fn same_len(kernel: &Kernel, first: (&str, &Buffer), others: &[(&str, &Buffer)]) -> Result<u32> {
    let len = volume(kernel, &[first.1.len()])?;
    for (name, buffer) in others {
        ensure(kernel, buffer.len() == len, || {
            format!("`{name}` has {} elements, but `{}` has {len}", buffer.len(), first.0)
        })?;
    }
    dimension(kernel, "len", len)
}

/// Refuses a range of `width` columns from `first` on that leaves a modulation of `columns`.
pub(crate) fn expect_columns(kernel: &Kernel, what: &str, first: usize, width: usize, columns: usize) -> Result<()> {
    ensure(kernel, first.checked_add(width).is_some_and(|end| end <= columns), || {
        format!("`{what}`, {width} columns from {first} on, leaves a modulation of {columns} columns")
    })
}

/// A dimension as shaders take it.
pub(crate) fn dimension(kernel: &Kernel, name: &str, value: usize) -> Result<u32> {
    u32::try_from(value)
        .map_err(|_| Error::Shape { kernel: kernel.name, message: format!("{name} = {value} does not fit 32 bits") })
}

/// Whether a device runs kernels whose lanes read pairs of floats for each other: those for subgroups, with integers of
/// 64 bits.
pub(crate) fn shares_pairs(stream: &Stream) -> bool {
    has_subgroups(stream) && has_wide_integers(stream)
}

/// Refuses a device on which lanes do not share pairs.
pub(crate) fn expect_shared_pairs(kernel: &Kernel, stream: &Stream) -> Result<()> {
    ensure(kernel, has_subgroups(stream), || {
        format!("the adapter has no subgroups of {SUBGROUP} invocations or more")
    })?;
    expect_wide_integers(kernel, stream)
}
