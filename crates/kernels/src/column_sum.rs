//! Sums down the columns of a matrix: the gradient of a bias, the mean of a batch.

use rayon::prelude::*;
use runtime::{Arguments, Binding, Buffer, Kernel, Launch, Result, Stream};

use crate::cpu::scratch::with_scratch;
use crate::cpu::{parallel, sum};
use crate::shape;

parameters! {
    rows: u32,
    columns: u32,
    scale: f32,
    accumulate: u32,
}

const BINDINGS: &[Binding] = &[Binding::read("x"), Binding::write("out")];

pub(crate) static KERNEL: Kernel =
    Kernel { name: "column_sum", wgsl: wgsl!("column_sum"), parameters: FIELDS, bindings: BINDINGS, cpu };

/// The variant for software adapters: four columns an invocation.
pub(crate) static QUADS_KERNEL: Kernel =
    Kernel { name: "column_sum_quads", wgsl: wgsl!("column_sum_quads"), parameters: FIELDS, bindings: BINDINGS, cpu };

/// The variant for software adapters with integers of 64 bits: half of the loads.
pub(crate) static PAIRS_KERNEL: Kernel =
    Kernel { name: "column_sum_pairs", wgsl: wgsl!("column_sum_pairs"), parameters: FIELDS, bindings: BINDINGS, cpu };

/// out (+)= scale · Σ over the rows of x
#[derive(Debug)]
pub struct ColumnSum<'a> {
    /// (rows, columns)
    pub x: &'a Buffer,
    /// (columns)
    pub out: &'a Buffer,
    /// Rows of `x`.
    pub rows: usize,
    /// Columns of `x`.
    pub columns: usize,
    /// What the sums are multiplied with: 1 / rows makes them means.
    pub scale: f32,
    /// Add to `out` instead of overwriting it.
    pub accumulate: bool,
}

impl ColumnSum<'_> {
    /// Checks the shapes and launches the variant that suits the adapter.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        if !shape::on_software(stream) || !self.columns.is_multiple_of(4) {
            self.launch_portable(stream)
        } else if self.columns.is_multiple_of(8) && shape::has_wide_integers(stream) {
            self.launch_pairs(stream)
        } else {
            self.launch_quads(stream)
        }
    }

    /// Checks the shapes and launches the kernel for any number of columns.
    ///
    /// # Errors
    /// As [`ColumnSum::launch`].
    pub fn launch_portable(&self, stream: &mut Stream) -> Result<()> {
        self.launch_kernel(stream, &KERNEL, 32)
    }

    /// Checks the shapes and launches the kernel for software adapters.
    ///
    /// # Errors
    /// As [`ColumnSum::launch`], also where `columns` is no multiple of 4.
    pub fn launch_quads(&self, stream: &mut Stream) -> Result<()> {
        self.expect_multiple(&QUADS_KERNEL, 4)?;
        self.launch_kernel(stream, &QUADS_KERNEL, 32)
    }

    /// Checks the shapes and launches the kernel for software adapters with integers of 64 bits.
    ///
    /// # Errors
    /// As [`ColumnSum::launch`], also where `columns` is no multiple of 8 or the adapter has no such integers.
    pub fn launch_pairs(&self, stream: &mut Stream) -> Result<()> {
        shape::expect_wide_integers(&PAIRS_KERNEL, stream)?;
        self.expect_multiple(&PAIRS_KERNEL, 8)?;
        self.launch_kernel(stream, &PAIRS_KERNEL, 64)
    }

    fn expect_multiple(&self, kernel: &Kernel, of: usize) -> Result<()> {
        shape::ensure(kernel, self.columns.is_multiple_of(of), || {
            format!("{} columns are no multiple of {of}", self.columns)
        })
    }

    /// A workgroup of `kernel` sums so many columns.
    fn launch_kernel(&self, stream: &mut Stream, kernel: &'static Kernel, columns_a_workgroup: u32) -> Result<()> {
        shape::expect(kernel, "x", self.x, &[self.rows, self.columns])?;
        shape::expect(kernel, "out", self.out, &[self.columns])?;
        let columns = shape::dimension(kernel, "columns", self.columns)?;
        stream.launch(&Launch {
            kernel,
            parameters: Parameters {
                rows: shape::dimension(kernel, "rows", self.rows)?,
                columns,
                scale: self.scale,
                accumulate: u32::from(self.accumulate),
            },
            buffers: &[self.x, self.out],
            constants: &[],
            workgroups: [columns.div_ceil(columns_a_workgroup), 1, 1],
        })
    }
}

/// Columns that one task sums at least, of few rows: whole cache lines.
const BLOCK: usize = 64;

/// Rows that are worth sums of their own, which are then summed up.
const ROWS: usize = 16;

fn cpu(parameters: &[u8], arguments: Arguments<'_>) {
    let parameters: Parameters = parallel::parameters(parameters);
    let [x, out] = arguments.take();
    column_sums(x.read(), out.write(), parameters.scale, parameters.accumulate != 0);
}

/// out (+)= scale · Σ over the rows of x, which are as long as `out`
pub(crate) fn column_sums(x: &[f32], out: &mut [f32], scale: f32, accumulate: bool) {
    let columns = out.len();
    let rows = x.len() / columns;
    let add = |sums: &[f32], out: &mut [f32]| {
        for (out, sum) in out.iter_mut().zip(sums) {
            let before = if accumulate { *out } else { 0.0 };
            *out = before + scale * *sum;
        }
    };
    let rows_a_task = parallel::rows_a_task(columns);
    if rows_a_task >= ROWS {
        // Whole rows, as they lie in memory.
        with_scratch(rows.div_ceil(rows_a_task) * columns, |sums| {
            let tasks = sums.par_chunks_exact_mut(columns).zip(x.par_chunks(rows_a_task * columns));
            tasks.for_each(|(sums, rows)| {
                sums.fill(0.0);
                sum::add_rows(rows, sums);
            });
            let (first, others) = sums.split_at_mut(columns);
            sum::add_rows(others, first);
            add(first, out);
        });
    } else {
        // Of few rows a task takes long pieces, as memory likes them.
        let block = parallel::rows_a_task(rows).next_multiple_of(BLOCK);
        parallel::blocks(out, block, |first, out| {
            with_scratch(out.len(), |sums| {
                sums.fill(0.0);
                for row in x.chunks_exact(columns) {
                    sum::add_rows(&row[first..][..sums.len()], sums);
                }
                add(sums, out);
            });
        });
    }
}
