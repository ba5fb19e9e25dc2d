//! The matrix product in the three layouts that training needs, with fused epilogues.

use multiversion::multiversion;
use runtime::{ALIGNMENT, Arguments, Binding, Buffer, Error, Kernel, Launch, Result, Stream};

use crate::column_sum::{ColumnSum, column_sums};
use crate::cpu::bfloat16::Unit;
use crate::cpu::gemm::{Into, Strided};
use crate::cpu::product::{Destination, Finish, product};
use crate::cpu::{math, parallel, sum};
use crate::matmul_variant::Variant;
use crate::shape;

parameters! {
    m: u32,
    n: u32,
    k: u32,
    tokens: u32,
    modulation_width: u32,
    gate: u32,
    save: u32,
}

/// What `save` asks for beside the product: a·b + bias in `saved`, or the sums of a's columns behind the product in `out`.
const SAVE: u32 = 1;
const SUMS: u32 = 2;

const BINDINGS: &[Binding] = &[
    Binding::read("a"),
    Binding::read("b"),
    Binding::read("bias"),
    Binding::read("residual"),
    Binding::read("modulation"),
    Binding::write("out"),
    Binding::write("saved"),
];

/// The portable kernel: 64 × 64 tiles through workgroup memory.
pub(crate) static KERNEL: Kernel =
    Kernel { name: "matmul", wgsl: wgsl!("matmul"), parameters: FIELDS, bindings: BINDINGS, cpu };

/// The variant for software adapters: 8 × 4 tiles in registers, no barriers.
pub(crate) static REGISTER_KERNEL: Kernel =
    Kernel { name: "matmul_register", wgsl: wgsl!("matmul_register"), parameters: FIELDS, bindings: BINDINGS, cpu };

/// Operands rounded to 16 bits: to f16 in the tiles of the portable kernel, to bfloat16 on the CPU.
pub(crate) static HALF_KERNEL: Kernel =
    Kernel { name: "matmul_f16", wgsl: wgsl!("matmul_f16"), parameters: FIELDS, bindings: BINDINGS, cpu: cpu_half };

/// Operands rounded to 16 bits, on matrix units of 8 × 8.
pub(crate) static COOPERATIVE_8_KERNEL: Kernel = Kernel {
    name: "matmul_cooperative_8",
    wgsl: wgsl!("matmul_cooperative_8"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// Operands rounded to 16 bits, on matrix units of 16 × 16.
pub(crate) static COOPERATIVE_16_KERNEL: Kernel = Kernel {
    name: "matmul_cooperative_16",
    wgsl: wgsl!("matmul_cooperative_16"),
    parameters: FIELDS,
    bindings: BINDINGS,
    cpu,
};

/// The variant for software adapters with subgroups and integers of 64 bits: an eighth of the loads.
pub(crate) static SUBGROUP_KERNEL: Kernel =
    Kernel { name: "matmul_subgroup", wgsl: wgsl!("matmul_subgroup"), parameters: FIELDS, bindings: BINDINGS, cpu };

/// The variant for hardware GPUs: 8 × 8 sums an invocation, and slices of k.
pub(crate) static WIDE_KERNEL: Kernel =
    Kernel { name: "matmul_wide", wgsl: wgsl!("matmul_wide"), parameters: FIELDS, bindings: BINDINGS, cpu };

/// Words of `a` and `b` that a CPU's caches keep from one workgroup to the next: 4 MiB.
const IN_CACHE: usize = 1 << 20;

/// How the operands lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// a is (m, k), b is (k, n): the gradient of a Linear's input.
    Plain,
    /// a is (m, k), b is (n, k): a Linear, whose weight is (out, in).
    BTransposed,
    /// a is (k, m), b is (k, n): the gradient of a Linear's weight.
    ATransposed,
}

/// What happens to a product before it is stored.
#[derive(Clone, Copy, Debug)]
pub enum Epilogue<'a> {
    /// out = a·b
    Overwrite,
    /// out += a·b
    Add,
    /// out = a·b + bias
    Bias {
        /// (n)
        bias: &'a Buffer,
    },
    /// out = gelu(a·b + bias)
    Gelu {
        /// (n)
        bias: &'a Buffer,
        /// (m, n): gets a·b + bias, for the backward pass.
        saved: Option<&'a Buffer>,
    },
    /// out = residual + gate ⊙ (a·b + bias), with one gate for all the tokens of an item
    GateResidual {
        /// (n)
        bias: &'a Buffer,
        /// (m, n)
        residual: &'a Buffer,
        /// (m / tokens, modulation_width)
        modulation: &'a Buffer,
        /// Columns of `modulation`.
        modulation_width: usize,
        /// The first of the n columns of `modulation` that hold the gate.
        gate: usize,
        /// Rows of the product that belong to one row of `modulation`.
        tokens: usize,
        /// (m, n): gets a·b + bias, for the backward pass.
        saved: Option<&'a Buffer>,
    },
    /// out = (a·b) ⊙ gelu'(x): the gradient at what GELU was given, where a·b is that at what it gave.
    GeluBackward {
        /// (m, n)
        x: &'a Buffer,
    },
}

/// out = epilogue(a·b)
#[derive(Debug)]
pub struct MatMul<'a> {
    /// (m, k) or, in [`Layout::ATransposed`], (k, m).
    pub a: &'a Buffer,
    /// (k, n) or, in [`Layout::BTransposed`], (n, k).
    pub b: &'a Buffer,
    /// (m, n)
    pub out: &'a Buffer,
    /// How `a` and `b` lie in memory.
    pub layout: Layout,
    /// Rows of the product.
    pub m: usize,
    /// Columns of the product.
    pub n: usize,
    /// The inner dimension.
    pub k: usize,
    /// What happens before the store.
    pub epilogue: Epilogue<'a>,
}

impl MatMul<'_> {
    /// Checks the shapes and launches the variant that suits the device: see [`MatMul::variant`].
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let variant = self.variant(stream)?;
        self.launch_variant(stream, variant)
    }

    /// Checks the shapes and launches this variant, for who knows better. On the CPU all but [`Variant::Half`] have one
    /// body, which rounds nothing.
    ///
    /// # Errors
    /// As [`MatMul::launch`]; [`runtime::Error::Shape`] too where the variant does not take the shape, or
    /// does not run on the device.
    pub fn launch_variant(&self, stream: &mut Stream, variant: Variant) -> Result<()> {
        self.launch_with_sums(stream, variant, false)
    }

    /// As [`MatMul::launch_variant`]; where [`Variant::sums`], in [`Layout::ATransposed`] also with the sums of a's columns,
    /// (m), for which `out` then has room behind the product. What is done with that is done with them.
    pub(crate) fn launch_with_sums(&self, stream: &mut Stream, variant: Variant, sums: bool) -> Result<()> {
        let slices = variant.slices(stream);
        if slices == 1 {
            return self.launch_parts(stream, variant, sums);
        }
        let accumulate = match self.epilogue {
            Epilogue::Overwrite => false,
            Epilogue::Add => true,
            _ => {
                let message = format!("only what is stored or added as it is can be made in {slices} slices");
                return Err(Error::Shape { kernel: WIDE_KERNEL.name, message });
            }
        };
        let [rows, columns] = self.stored(sums);
        shape::expect(&WIDE_KERNEL, "out", self.out, &[rows, columns])?;
        let products = stream.allocate(shape::volume(&WIDE_KERNEL, &[slices, rows, columns])?)?;
        let product = MatMul { out: &products, epilogue: Epilogue::Overwrite, ..*self };
        product.launch_slices(stream, variant, sums)?;
        let columns = rows * columns;
        ColumnSum { x: &products, out: self.out, rows: slices, columns, scale: 1.0, accumulate }.launch(stream)
    }

    /// The product in one launch, or one for each part of k, added to that before.
    fn launch_parts(&self, stream: &mut Stream, variant: Variant, sums: bool) -> Result<()> {
        let Self { m, n, k, .. } = *self;
        let part = self.part(stream, variant);
        if k <= part {
            return self.launch_slices(stream, variant, sums);
        }
        let (kernel, _) = variant.kernel();
        shape::expect(kernel, "a", self.a, &[k, m])?;
        shape::expect(kernel, "b", self.b, &[k, n])?;
        for first in (0..k).step_by(part) {
            let last = k.min(first + part);
            let (a, b) = (self.a.slice(first * m..last * m), self.b.slice(first * n..last * n));
            let epilogue = if first == 0 { self.epilogue } else { Epilogue::Add };
            MatMul { a: &a, b: &b, k: last - first, epilogue, ..*self }.launch_slices(stream, variant, sums)?;
        }
        Ok(())
    }

    /// How much of k a launch takes. For the gradient of a weight each workgroup goes through all rows of both operands, and
    /// on a CPU these should still be in its caches when the next one does.
    fn part(&self, stream: &Stream, variant: Variant) -> usize {
        let on_software = matches!(variant, Variant::Register | Variant::Subgroup) && shape::on_software(stream);
        let can_be_added_to = matches!(self.epilogue, Epilogue::Overwrite | Epilogue::Add);
        if on_software && can_be_added_to && self.layout == Layout::ATransposed {
            rows_in_cache(self.m, self.n)
        } else {
            self.k
        }
    }

    /// The shape of what is stored: a sum for each row of the product lies behind it.
    fn stored(&self, sums: bool) -> [usize; 2] {
        [self.m, self.n + usize::from(sums)]
    }

    /// The product, or that of each slice one after the other.
    fn launch_slices(&self, stream: &mut Stream, variant: Variant, sums: bool) -> Result<()> {
        let (m, n, k, slices) = (self.m, self.n, self.k, variant.slices(stream));
        let (kernel, tile) = variant.kernel();
        shape::ensure(kernel, variant.runs_on(stream), || match variant {
            Variant::Subgroup => {
                "the adapter has no subgroups of 8 invocations or more, or no integers of 64 bits".into()
            }
            _ => format!("{} was not opened for reduced precision, or has no such matrices", stream.device()),
        })?;
        shape::ensure(kernel, !variant.reads_vec4s() || self.has_rows_of_vec4s(), || {
            format!("rows of vec4s need multiples of 4, which m = {m}, n = {n}, k = {k} are not in {:?}", self.layout)
        })?;
        shape::expect(kernel, "a", self.a, &[m, k])?;
        shape::expect(kernel, "b", self.b, &[k, n])?;
        let [rows, columns] = self.stored(sums);
        shape::expect(kernel, "out", self.out, &[slices, rows, columns])?;
        let mut parameters = Parameters {
            m: shape::dimension(kernel, "m", m)?,
            n: shape::dimension(kernel, "n", n)?,
            k: shape::dimension(kernel, "k", k)?,
            tokens: 1,
            modulation_width: 0,
            gate: 0,
            save: 0,
        };
        // What an epilogue does not use is bound to something harmless.
        let unused = stream.allocate(4)?;
        let (mut bias_of, mut residual_of, mut modulation_of, mut saved_of) = (self.a, self.a, self.a, None);
        let epilogue = match self.epilogue {
            Epilogue::Overwrite => 0,
            Epilogue::Add => 1,
            Epilogue::Bias { bias } => {
                bias_of = bias;
                2
            }
            Epilogue::Gelu { bias, saved } => {
                (bias_of, saved_of) = (bias, saved);
                3
            }
            Epilogue::GateResidual { bias, residual, modulation, modulation_width, gate, tokens, saved } => {
                (bias_of, residual_of, modulation_of, saved_of) = (bias, residual, modulation, saved);
                shape::expect(kernel, "residual", residual, &[m, n])?;
                shape::ensure(kernel, tokens > 0 && m.is_multiple_of(tokens), || {
                    format!("{m} rows are no multiple of {tokens} tokens")
                })?;
                shape::expect(kernel, "modulation", modulation, &[m / tokens, modulation_width])?;
                shape::expect_columns(kernel, "gate", gate, n, modulation_width)?;
                parameters.tokens = shape::dimension(kernel, "tokens", tokens)?;
                parameters.modulation_width = shape::dimension(kernel, "modulation_width", modulation_width)?;
                parameters.gate = shape::dimension(kernel, "gate", gate)?;
                4
            }
            Epilogue::GeluBackward { x } => {
                residual_of = x;
                shape::expect(kernel, "x", x, &[m, n])?;
                5
            }
        };
        if (2..=4).contains(&epilogue) {
            shape::expect(kernel, "bias", bias_of, &[n])?;
        }
        if let Some(saved) = saved_of {
            shape::expect(kernel, "saved", saved, &[m, n])?;
            parameters.save = SAVE;
        }
        if sums {
            parameters.save = SUMS;
        }
        let flag = |set: bool| f64::from(u8::from(set));
        let [tile_columns, tile_rows] = tile;
        // What only some have: of 8 × 8 sums an invocation the side of a workgroup, of 4 × 4 matrices a workgroup their size.
        let own = match variant {
            Variant::Wide { .. } => Some(("SIDE", tile_columns / 8)),
            Variant::Cooperative(_) => Some(("SIZE", tile_columns / 4)),
            _ => None,
        };
        let (name, size) = own.unwrap_or_default();
        let constants = [
            ("A_TRANSPOSED", flag(self.layout == Layout::ATransposed)),
            ("B_TRANSPOSED", flag(self.layout == Layout::BTransposed)),
            ("EPILOGUE", f64::from(epilogue)),
            (name, size as f64),
        ];
        let constants = &constants[..3 + usize::from(own.is_some())];
        let saved = saved_of.unwrap_or(&unused);
        stream.launch(&Launch {
            kernel,
            parameters,
            buffers: &[self.a, self.b, bias_of, residual_of, modulation_of, self.out, saved],
            constants,
            workgroups: [
                shape::dimension(kernel, "n", n.div_ceil(tile_columns))?,
                shape::dimension(kernel, "m", m.div_ceil(tile_rows))?,
                shape::dimension(kernel, "slices", slices)?,
            ],
        })
    }
}

/// Rows of operands with `m` and `n` columns that a CPU's caches hold. Buffers are cut at multiples of the alignment alone.
fn rows_in_cache(m: usize, n: usize) -> usize {
    let rows = IN_CACHE / m.saturating_add(n).max(1);
    rows.max(ALIGNMENT) / ALIGNMENT * ALIGNMENT
}

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    run(parameters, arguments, Unit::exact());
}

fn cpu_half(parameters: &[u8], arguments: Arguments<'_>) {
    run(parameters, arguments, Some(Unit::rounding()));
}

/// The product, as [`product`] is told to make it, and the epilogue.
fn run(parameters: &[u8], arguments: Arguments<'_>, unit: Option<Unit>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let epilogue = arguments.constant("EPILOGUE") as u32;
    let (a_transposed, b_transposed) =
        (arguments.constant("A_TRANSPOSED") != 0.0, arguments.constant("B_TRANSPOSED") != 0.0);
    let [a, b, bias, residual, modulation, out, saved] = arguments.take();
    let (m, n, k) = (parameters.m as usize, parameters.n as usize, parameters.k as usize);
    let a = if a_transposed { Strided::new(a.read(), m).transposed() } else { Strided::new(a.read(), k) };
    let b = if b_transposed { Strided::new(b.read(), k).transposed() } else { Strided::new(b.read(), n) };
    let (bias, residual, modulation) = (bias.read::<f32>(), residual.read::<f32>(), modulation.read::<f32>());
    let (tokens, width, gate) =
        (parameters.tokens as usize, parameters.modulation_width as usize, parameters.gate as usize);
    let of_row = |row: usize| (&modulation[row / tokens * width + gate..][..n], &residual[row * n..][..n]);
    let save = parameters.save == SAVE;
    let finish: Option<&Finish<'_>> = match epilogue {
        2 => Some(&|_, out, _| sum::add_rows(bias, out)),
        3 if save => Some(&|_, saved, out| gelu(saved, bias, out)),
        3 => Some(&|_, out, _| gelu_in_place(out, bias)),
        4 if save => Some(&|row, saved, out| {
            let (gate, residual) = of_row(row);
            gate_residual(saved, bias, gate, residual, out);
        }),
        4 => Some(&|row, out, _| {
            let (gate, residual) = of_row(row);
            gate_residual_in_place(out, bias, gate, residual);
        }),
        5 => Some(&|row, out, _| gelu_backward(out, &residual[row * n..][..n])),
        _ => None,
    };
    let into = if epilogue == 1 { Into::Add } else { Into::Overwrite };
    let (out, sums) = out.write().split_at_mut(m * n);
    let to = match parameters.save {
        // The product goes where a·b + bias is wanted.
        SAVE => Destination { out: saved.write(), into, finish, beside: out },
        _ => Destination { out, into, finish, beside: &mut [] },
    };
    product(unit, [m, k, n], a, b, to);
    if parameters.save == SUMS {
        column_sums(a.data, sums, 1.0, epilogue == 1);
    }
}

#[multiversion(targets = "simd")]
fn gelu(product: &mut [f32], bias: &[f32], out: &mut [f32]) {
    const FUSED: bool = math::fused!();
    for ((value, bias), out) in product.iter_mut().zip(bias).zip(out) {
        *value += bias;
        *out = math::gelu::<FUSED>(*value);
    }
}

#[multiversion(targets = "simd")]
fn gelu_in_place(row: &mut [f32], bias: &[f32]) {
    const FUSED: bool = math::fused!();
    for (value, bias) in row.iter_mut().zip(bias) {
        *value = math::gelu::<FUSED>(*value + bias);
    }
}

#[multiversion(targets = "simd")]
fn gelu_backward(row: &mut [f32], x: &[f32]) {
    const FUSED: bool = math::fused!();
    for (value, x) in row.iter_mut().zip(x) {
        *value *= math::gelu_derivative::<FUSED>(*x);
    }
}

#[multiversion(targets = "simd")]
pub(crate) fn gate_residual(product: &mut [f32], bias: &[f32], gate: &[f32], residual: &[f32], out: &mut [f32]) {
    for ((((value, bias), gate), residual), out) in product.iter_mut().zip(bias).zip(gate).zip(residual).zip(out) {
        *value += bias;
        *out = residual + gate * *value;
    }
}

#[multiversion(targets = "simd")]
pub(crate) fn gate_residual_in_place(row: &mut [f32], bias: &[f32], gate: &[f32], residual: &[f32]) {
    for (((value, bias), gate), residual) in row.iter_mut().zip(bias).zip(gate).zip(residual) {
        *value = residual + gate * (*value + bias);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the tests of the kernels take for more than two parts is that.
    #[test]
    fn parts_of_a_product_are_cut_where_buffers_can_be() {
        assert_eq!(rows_in_cache(64, 64), 8192);
        assert_eq!(rows_in_cache(128, 512), 1600);
        assert_eq!(rows_in_cache(3, 5), 131_072);
        assert_eq!(rows_in_cache(usize::MAX, 1), ALIGNMENT);
        assert_eq!(rows_in_cache(0, 0), IN_CACHE);
    }
}
