//! A kernel: one thing with two bodies.

use bytemuck::Pod;

use crate::Buffer;

/// A scalar type that WGSL and Rust share in parameter blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A 32-bit unsigned integer.
    U32,
    /// A 32-bit float.
    F32,
}

/// A field of a kernel's parameter block; each takes one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The name that the WGSL struct has too.
    pub name: &'static str,
    /// Its type.
    pub scalar: Scalar,
}

/// Whether a kernel only reads a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `var<storage, read>`
    Read,
    /// `var<storage, read_write>`
    ReadWrite,
}

/// A storage binding of a kernel. The n-th binding is `@group(0) @binding(n + 1)`; the parameter
/// block, a uniform, is `@binding(0)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The name of the WGSL variable.
    pub name: &'static str,
    /// Whether it is written.
    pub access: Access,
}

impl Binding {
    /// A binding that the kernel only reads.
    pub const fn read(name: &'static str) -> Self {
        Self { name, access: Access::Read }
    }

    /// A binding that the kernel writes.
    pub const fn write(name: &'static str) -> Self {
        Self { name, access: Access::ReadWrite }
    }
}

/// A kernel: its GPU body, its CPU body, and what both take.
#[derive(Debug)]
pub struct Kernel {
    /// The stem of `shaders/NAME.wgsl`.
    pub name: &'static str,
    /// The GPU body, linked WGSL with the entry point `main`; none where a GPU is given several other kernels instead.
    pub wgsl: Option<&'static str>,
    /// The parameter block, in order.
    pub parameters: &'static [Field],
    /// The storage bindings, in order.
    pub bindings: &'static [Binding],
    /// The CPU body: the bytes of the parameter block, and the bindings as slices.
    pub cpu: fn(&[u8], Arguments<'_>),
}

/// One run of a kernel.
#[derive(Debug)]
pub struct Launch<'a, P> {
    /// Which kernel.
    pub kernel: &'static Kernel,
    /// Its parameter block.
    pub parameters: P,
    /// A buffer for each binding, in order.
    pub buffers: &'a [&'a Buffer],
    /// Values for the shader's `override` constants; a pipeline is made for each set.
    pub constants: &'a [(&'static str, f64)],
    /// The number of workgroups in x, y and z; the CPU body has no use for it.
    pub workgroups: [u32; 3],
}

/// What a CPU body gets for one binding.
#[derive(Debug)]
pub enum Argument<'a> {
    /// The words of a binding that is only read.
    Read(&'a [u32]),
    /// The words of a binding that is written.
    Write(&'a mut [u32]),
}

impl<'a> Argument<'a> {
    /// The binding's words as floats or integers.
    pub fn read<T: Pod>(self) -> &'a [T] {
        match self {
            Argument::Read(words) => bytemuck::cast_slice(words),
            Argument::Write(words) => bytemuck::cast_slice(words),
        }
    }

    /// The binding's words as floats or integers, to be written.
    pub fn write<T: Pod>(self) -> &'a mut [T] {
        match self {
            Argument::Write(words) => bytemuck::cast_slice_mut(words),
            Argument::Read(_) => unreachable!("a CPU body writes a binding that its kernel declares as read"),
        }
    }
}

/// The bindings and constants of a launch as a CPU body gets them.
#[derive(Debug)]
pub struct Arguments<'a> {
    pub(crate) bindings: Vec<Argument<'a>>,
    pub(crate) constants: &'a [(&'static str, f64)],
}

impl<'a> Arguments<'a> {
    /// The value that the launch gives for an `override` constant of the shader.
    pub fn constant(&self, name: &str) -> f64 {
        match self.constants.iter().find(|(constant, _)| *constant == name) {
            Some((_, value)) => *value,
            None => unreachable!("a CPU body asks for the constant {name}, which its launch does not give"),
        }
    }

    /// The arguments one by one, in the order of the kernel's bindings.
    pub fn take<const N: usize>(self) -> [Argument<'a>; N] {
        match self.bindings.try_into() {
            Ok(arguments) => arguments,
            Err(all) => unreachable!("a CPU body takes {N} bindings, but its kernel declares {}", Vec::len(&all)),
        }
    }
}

/// Workgroups of `size` invocations that cover `invocations` of them, folded into two dimensions
/// where one would exceed the 65,535 that WebGPU allows. Shaders undo the fold with
/// `shared::linear::index`.
pub fn grid(invocations: usize, size: usize) -> [u32; 3] {
    let groups = invocations.div_ceil(size).max(1);
    let rows = groups.div_ceil(65_535);
    let columns = groups.div_ceil(rows);
    [saturate(columns), saturate(rows), 1]
}

/// A count that does not fit is far above every device's limit, and is refused there.
fn saturate(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
