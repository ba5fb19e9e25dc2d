//! The tape: what was computed, and how to go back.

use kernels::{Add, Fill};
use runtime::{Buffer, Result, Stream};

use crate::{Gradients, Parameter, Parameters};

/// The result of an operation: a matrix on the device.
#[derive(Clone, Debug)]
pub struct Variable {
    /// `None` where nothing upstream asks for a gradient.
    pub(crate) id: Option<usize>,
    value: Buffer,
    rows: usize,
    columns: usize,
}

impl Variable {
    /// An input without a gradient: `value` is (rows, columns).
    pub fn constant(value: Buffer, rows: usize, columns: usize) -> Self {
        Self { id: None, value, rows, columns }
    }

    /// A variable with other elements and the same gradient: what reaches either of the two reaches both.
    pub(crate) fn with_value(&self, value: Buffer) -> Self {
        Self { value, ..self.clone() }
    }

    /// The elements, row-major.
    pub fn value(&self) -> &Buffer {
        &self.value
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }
}

type BackwardFn = Box<dyn FnOnce(&mut Backward<'_, '_>, Buffer) -> Result<()>>;

struct Node {
    output: usize,
    backward: BackwardFn,
}

/// Runs operations in order; for training it also remembers them.
pub struct Tape<'a> {
    pub(crate) stream: &'a mut Stream,
    pub(crate) parameters: &'a Parameters,
    gradients: Option<&'a mut Gradients>,
    nodes: Vec<Node>,
    variables: usize,
}

impl<'a> Tape<'a> {
    /// A tape that only computes. Intermediate results are freed as their variables are dropped.
    pub fn inference(stream: &'a mut Stream, parameters: &'a Parameters) -> Self {
        Self { stream, parameters, gradients: None, nodes: Vec::new(), variables: 0 }
    }

    /// A tape that remembers, for [`Tape::backward`] to fill `gradients`.
    pub fn training(stream: &'a mut Stream, parameters: &'a Parameters, gradients: &'a mut Gradients) -> Self {
        gradients.begin();
        Self { stream, parameters, gradients: Some(gradients), nodes: Vec::new(), variables: 0 }
    }

    /// The stream that operations run on.
    pub fn stream(&mut self) -> &mut Stream {
        self.stream
    }

    /// Whether operations are remembered.
    pub(crate) fn records(&self) -> bool {
        self.gradients.is_some()
    }

    /// A buffer for rows · columns elements.
    pub(crate) fn allocate(&self, rows: usize, columns: usize) -> Result<Buffer> {
        self.stream.allocate(rows * columns)
    }

    /// A variable that an operation made, with the way back from its gradient to those of what
    /// it was made from.
    pub(crate) fn push(
        &mut self,
        value: Buffer,
        rows: usize,
        columns: usize,
        backward: impl FnOnce(&mut Backward<'_, '_>, Buffer) -> Result<()> + 'static,
    ) -> Variable {
        if !self.records() {
            return Variable { id: None, value, rows, columns };
        }
        let output = self.variables;
        self.variables += 1;
        self.nodes.push(Node { output, backward: Box::new(backward) });
        Variable { id: Some(output), value, rows, columns }
    }

    /// Goes back from `loss`, a single element, and leaves the gradient of every parameter.
    ///
    /// # Errors
    /// What the device reports.
    ///
    /// # Panics
    /// On a tape that only computes, and for a loss that does not depend on what was trained.
    pub fn backward(self, loss: &Variable) -> Result<()> {
        let (Some(gradients), Some(id)) = (self.gradients, loss.id) else {
            unreachable!("backward needs a tape for training, and a loss that was computed on it")
        };
        let one = self.stream.allocate(1)?;
        Fill { out: &one, value: 1.0 }.launch(self.stream)?;
        let mut context = Backward {
            stream: self.stream,
            parameters: self.parameters,
            gradients,
            of_variables: vec![None; self.variables],
        };
        context.of_variables[id] = Some(one);
        for node in self.nodes.into_iter().rev() {
            // An operation whose result leads nowhere has no gradient to pass on.
            if let Some(upstream) = context.of_variables[node.output].take() {
                (node.backward)(&mut context, upstream)?;
            }
        }
        context.gradients.finish(context.stream, context.parameters)
    }
}

/// What an operation's backward works with.
pub(crate) struct Backward<'a, 'b> {
    pub(crate) stream: &'a mut Stream,
    pub(crate) parameters: &'a Parameters,
    gradients: &'b mut Gradients,
    of_variables: Vec<Option<Buffer>>,
}

impl Backward<'_, '_> {
    /// Where the gradient of a variable goes, and whether to add to what is there; `None` where
    /// the variable wants no gradient.
    pub(crate) fn target(&mut self, variable: &Variable) -> Result<Option<(Buffer, bool)>> {
        let Some(id) = variable.id else { return Ok(None) };
        if let Some(gradient) = &self.of_variables[id] {
            return Ok(Some((gradient.clone(), true)));
        }
        let gradient = self.stream.allocate(variable.value.len())?;
        self.of_variables[id] = Some(gradient.clone());
        Ok(Some((gradient, false)))
    }

    /// The gradient of a variable to which an operation adds only in places; zero at first.
    pub(crate) fn zeroed_target(&mut self, variable: &Variable) -> Result<Option<Buffer>> {
        let Some((gradient, accumulate)) = self.target(variable)? else { return Ok(None) };
        if !accumulate {
            Fill { out: &gradient, value: 0.0 }.launch(self.stream)?;
        }
        Ok(Some(gradient))
    }

    /// Passes a whole gradient on to a variable; nobody else uses `gradient` afterwards.
    pub(crate) fn give(&mut self, variable: &Variable, gradient: Buffer) -> Result<()> {
        let Some(id) = variable.id else { return Ok(()) };
        match &self.of_variables[id] {
            Some(present) => Add { x: &gradient, out: present }.launch(self.stream),
            None => {
                self.of_variables[id] = Some(gradient);
                Ok(())
            }
        }
    }

    /// Where the gradient of a parameter goes, and whether to add to what is there.
    pub(crate) fn parameter_target(&mut self, parameter: Parameter) -> (Buffer, bool) {
        self.gradients.target(self.parameters, parameter)
    }
}
