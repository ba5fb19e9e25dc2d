//! All parameters of a model in one arena, and their gradients in another of the same layout.

use std::ops::Range;

use kernels::Fill;
use runtime::{ALIGNMENT, Buffer, Result, Stream, wait};

/// A parameter of a [`Parameters`] arena, or neighbours that are used as one, by their places in the list it was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    first: usize,
    count: usize,
}

impl Parameter {
    fn single(index: usize) -> Self {
        Self { first: index, count: 1 }
    }

    fn range(self) -> Range<usize> {
        self.first..self.first + self.count
    }
}

/// A parameter's name and shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// The field's name for it, such as `blocks.0.attn.qkv.weight`.
    pub name: String,
    /// Its dimensions, as PyTorch has them.
    pub shape: Vec<usize>,
}

impl ParameterSpec {
    /// The number of elements.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The arena: every parameter at its offset, zeros between them.
#[derive(Clone, Debug)]
pub struct Parameters {
    specs: Vec<ParameterSpec>,
    offsets: Vec<usize>,
    values: Buffer,
}

impl Parameters {
    /// An arena for the specs, filled from `values`: for each spec, in order, its elements.
    ///
    /// # Errors
    /// What the device reports.
    pub fn new(stream: &mut Stream, specs: Vec<ParameterSpec>, values: &[Vec<f32>]) -> Result<Self> {
        let (offsets, len) = layout(&specs);
        let values = stream.upload(&arrange(&specs, &offsets, len, values))?;
        Ok(Self { specs, offsets, values })
    }

    /// Names and shapes, in order.
    pub fn specs(&self) -> &[ParameterSpec] {
        &self.specs
    }

    /// The parameter of a name.
    ///
    /// # Panics
    /// Where no parameter has it: names come from the same program as the specs.
    pub fn named(&self, name: &str) -> Parameter {
        match self.specs.iter().position(|spec| spec.name == name) {
            Some(index) => Parameter::single(index),
            None => unreachable!("no parameter is named {name}"),
        }
    }

    /// Two parameters as one that has the rows of both, where the second follows the first in the arena without any room
    /// between them and their rows are of one length.
    pub fn joined(&self, first: Parameter, second: Parameter) -> Option<Parameter> {
        let row_len = |parameter: Parameter| self.value(parameter).len() / self.rows(parameter);
        let adjacent = self.value(first).joined(&self.value(second)).is_some();
        (adjacent && row_len(first) == row_len(second))
            .then_some(Parameter { first: first.first, count: first.count + second.count })
    }

    /// The number of elements of all parameters.
    pub fn count(&self) -> usize {
        self.specs.iter().map(ParameterSpec::len).sum()
    }

    /// The whole arena.
    pub fn arena(&self) -> &Buffer {
        &self.values
    }

    /// The values of one parameter.
    pub fn value(&self, parameter: Parameter) -> Buffer {
        self.part(&self.values, parameter)
    }

    /// The first dimension of one parameter.
    pub fn rows(&self, parameter: Parameter) -> usize {
        self.specs[parameter.range()].iter().map(|spec| spec.shape[0]).sum()
    }

    /// Another arena of this layout: gradients, moments, an average.
    ///
    /// # Errors
    /// What the device reports.
    pub fn arena_like(&self, stream: &mut Stream) -> Result<Buffer> {
        let arena = stream.allocate(self.values.len())?;
        for piece in stream.device().pieces(&arena) {
            Fill { out: &piece, value: 0.0 }.launch(stream)?;
        }
        Ok(arena)
    }

    /// The elements of every parameter, in order, from an arena of this layout.
    ///
    /// # Errors
    /// What the device reports.
    pub fn read(&self, stream: &mut Stream, arena: &Buffer) -> Result<Vec<Vec<f32>>> {
        wait(self.read_async(stream, arena))?
    }

    /// As [`Parameters::read`], without waiting.
    ///
    /// # Errors
    /// What the device reports.
    pub async fn read_async(&self, stream: &mut Stream, arena: &Buffer) -> Result<Vec<Vec<f32>>> {
        let all: Vec<f32> = stream.read_async(arena)?.await?;
        Ok(self
            .specs
            .iter()
            .zip(&self.offsets)
            .map(|(spec, offset)| all[*offset..offset + spec.len()].to_vec())
            .collect())
    }

    /// Overwrites an arena of this layout with the elements of every parameter, in order.
    ///
    /// # Errors
    /// What the device reports.
    pub fn write(&self, stream: &mut Stream, arena: &Buffer, values: &[Vec<f32>]) -> Result<()> {
        let all = arrange(&self.specs, &self.offsets, arena.len(), values);
        stream.write(arena, &all)
    }

    /// The same parameters with the values of another arena of this layout.
    pub fn with_arena(&self, values: Buffer) -> Self {
        Self { values, ..self.clone() }
    }

    fn part(&self, arena: &Buffer, parameter: Parameter) -> Buffer {
        let (first, last) = (parameter.first, parameter.first + parameter.count - 1);
        arena.slice(self.offsets[first]..self.offsets[last] + self.specs[last].len())
    }
}

fn layout(specs: &[ParameterSpec]) -> (Vec<usize>, usize) {
    let mut len = 0;
    let offsets = specs
        .iter()
        .map(|spec| {
            let offset = len;
            len += spec.len().next_multiple_of(ALIGNMENT);
            offset
        })
        .collect();
    (offsets, len)
}

fn arrange(specs: &[ParameterSpec], offsets: &[usize], len: usize, values: &[Vec<f32>]) -> Vec<f32> {
    assert_eq!(specs.len(), values.len(), "as many values as parameters");
    let mut all = vec![0.0; len];
    for ((spec, offset), values) in specs.iter().zip(offsets).zip(values) {
        assert_eq!(spec.len(), values.len(), "the elements of {}", spec.name);
        all[*offset..offset + values.len()].copy_from_slice(values);
    }
    all
}

/// The gradients of a [`Parameters`] arena.
#[derive(Debug)]
pub struct Gradients {
    arena: Buffer,
    /// Which parameters have a gradient from the current step.
    written: Vec<bool>,
}

impl Gradients {
    /// Gradients of zero.
    ///
    /// # Errors
    /// What the device reports.
    pub fn new(stream: &mut Stream, parameters: &Parameters) -> Result<Self> {
        Ok(Self { arena: parameters.arena_like(stream)?, written: vec![false; parameters.specs.len()] })
    }

    /// The whole arena.
    pub fn arena(&self) -> &Buffer {
        &self.arena
    }

    /// Where the gradient of a parameter goes, and whether it has to be added to what is there.
    pub(crate) fn target(&mut self, parameters: &Parameters, parameter: Parameter) -> (Buffer, bool) {
        let written = &mut self.written[parameter.range()];
        let accumulate = written[0];
        assert!(written.iter().all(|part| *part == accumulate), "what is used as one is never used in parts");
        written.fill(true);
        (parameters.part(&self.arena, parameter), accumulate)
    }

    /// A new step begins: what is there is stale.
    pub(crate) fn begin(&mut self) {
        self.written.fill(false);
    }

    /// The backward pass is over: what it did not reach has no gradient.
    pub(crate) fn finish(&mut self, stream: &mut Stream, parameters: &Parameters) -> Result<()> {
        for (index, written) in self.written.iter().enumerate() {
            if !written {
                let out = parameters.part(&self.arena, Parameter::single(index));
                Fill { out: &out, value: 0.0 }.launch(stream)?;
            }
        }
        Ok(())
    }
}
