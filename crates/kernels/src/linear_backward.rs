//! The gradients of a Linear's weight and bias.

use runtime::{Buffer, Error, Result, Stream};

use crate::matmul::{Epilogue, KERNEL, Layout, MatMul};
use crate::matmul_variant::Variant;
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
    /// (out): gets the bias' gradient, likewise. Fastest where it follows the weight's in memory, and both are added or none.
    pub out_bias: (&'a Buffer, bool),
}

impl LinearBackward<'_> {
    /// Checks the shapes and launches the product that suits the device; with the sums in it where it has them and both
    /// gradients can be written as one, the bias' behind the weight's, or else both one after the other.
    ///
    /// # Errors
    /// [`runtime::Error::Shape`], and what [`Stream::launch`] reports.
    pub fn launch(&self, stream: &mut Stream) -> Result<()> {
        self.check()?;
        let variant = self.product().variant(stream)?;
        match self.out(stream).filter(|_| variant.sums()) {
            Some(out) => self.launch_together(stream, variant, &out),
            None => self.launch_apart(stream, variant),
        }
    }

    /// Checks the shapes and launches this variant of the product with the sums in it, [`Variant::Subgroup`] or
    /// [`Variant::Wide`].
    ///
    /// # Errors
    /// As [`MatMul::launch_variant`]; [`runtime::Error::Shape`] too for another variant, and where the two gradients cannot
    /// be written as one.
    pub fn launch_variant(&self, stream: &mut Stream, variant: Variant) -> Result<()> {
        self.check()?;
        shape::ensure(&KERNEL, variant.sums(), || format!("{variant:?} has no sums of columns"))?;
        let Some(out) = self.out(stream) else {
            let message = "the gradients of weight and bias are no single stretch of memory for a kernel".into();
            return Err(Error::Shape { kernel: KERNEL.name, message });
        };
        self.launch_together(stream, variant, &out)
    }

    /// Both gradients, where the same is done with them, the bias' follows the weight's in memory, and a kernel can be given
    /// both at once.
    fn out(&self, stream: &Stream) -> Option<Buffer> {
        let ((weight, add_to_weight), (bias, add_to_bias)) = (self.out_weight, self.out_bias);
        let both = weight.joined(bias).filter(|_| add_to_weight == add_to_bias)?;
        stream.device().is_bindable(&both).then_some(both)
    }

    fn launch_together(&self, stream: &mut Stream, variant: Variant, out: &Buffer) -> Result<()> {
        MatMul { out, ..self.product() }.launch_with_sums(stream, variant, true)
    }

    fn launch_apart(&self, stream: &mut Stream, variant: Variant) -> Result<()> {
        let [rows, _, columns] = self.sizes;
        let (out, accumulate) = self.out_bias;
        self.product().launch_variant(stream, variant)?;
        ColumnSum { x: self.upstream, out, rows, columns, scale: 1.0, accumulate }.launch(stream)
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
