//! The gradients of a Linear's weight and bias.

use runtime::{Buffer, Result, Stream};

use crate::matmul::{Epilogue, KERNEL, Layout, MatMul, Variant};
use crate::{ColumnSum, shape};

/// From the gradient at x · weightᵀ + bias to those of the weight, upstreamᵀ · x, and of the bias, the sums of
/// upstream's columns.
#[derive(Debug)]
pub struct LinearBackward<'a> {
    /// (rows, in)
    pub x: &'a Buffer,
    /// (rows, out)
    pub upstream: &'a Buffer,
    /// rows, in and out
    pub sizes: [usize; 3],
    /// (out, in): gets the weight's gradient, added to what is there if so told.
    pub out_weight: (&'a Buffer, bool),
    /// (out): gets the bias' gradient, likewise.
    pub out_bias: (&'a Buffer, bool),
}

impl LinearBackward<'_> {
    /// Checks the shapes and launches the product with the sums in it, where a variant has them, or else both one after
    /// the other.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        let product = self.product();
        if product.suits_subgroup(stream) {
            return self.launch_subgroup(stream);
        }
        self.check()?;
        let [rows, _, columns] = self.sizes;
        let (out, accumulate) = self.out_bias;
        product.launch(stream)?;
        ColumnSum { x: self.upstream, out, rows, columns, scale: 1.0, accumulate }.launch(stream)
    }

    /// Checks the shapes and launches the product for software adapters with subgroups, with the sums in it, which are
    /// then stored where they belong: most likely in the memory that the weight's gradient is in, and a launch may not
    /// write to that twice.
    ///
    /// # Errors
    /// As [`MatMul::launch_variant`].
    pub fn launch_subgroup(&self, stream: &mut Stream) -> Result<()> {
        self.check()?;
        let [_, _, columns] = self.sizes;
        let (out, accumulate) = self.out_bias;
        let sums = stream.allocate(columns)?;
        self.product().launch_with_sums(stream, Variant::Subgroup, Some(&sums))?;
        ColumnSum { x: &sums, out, rows: 1, columns, scale: 1.0, accumulate }.launch(stream)
    }

    fn check(&self) -> Result<()> {
        let [rows, inner, columns] = self.sizes;
        shape::expect(&KERNEL, "x", self.x, &[rows, inner])?;
        shape::expect(&KERNEL, "upstream", self.upstream, &[rows, columns])?;
        shape::expect(&KERNEL, "out_weight", self.out_weight.0, &[columns, inner])?;
        shape::expect(&KERNEL, "out_bias", self.out_bias.0, &[columns])
    }

    fn product(&self) -> MatMul<'_> {
        let [rows, inner, columns] = self.sizes;
        let (out, accumulate) = self.out_weight;
        MatMul {
            a: self.upstream,
            b: self.x,
            out,
            layout: Layout::ATransposed,
            m: columns,
            n: inner,
            k: rows,
            epilogue: if accumulate { Epilogue::Add } else { Epilogue::Overwrite },
        }
    }
}
