//! The tensors of a file, and which of them were read.

use std::collections::BTreeSet;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::TensorError;
use crate::weights::finite;

/// How many tensors a message names before it counts.
const NAMED: usize = 4;

pub(super) struct Tensors<'a> {
    tensors: SafeTensors<'a>,
    unread: BTreeSet<String>,
}

impl<'a> Tensors<'a> {
    pub(super) fn new(tensors: SafeTensors<'a>) -> Self {
        let unread = tensors.names().into_iter().map(str::to_owned).collect();
        Self { tensors, unread }
    }

    pub(super) fn names(&self) -> Vec<&str> {
        self.tensors.names()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.tensors.tensor(name).is_ok()
    }

    /// The tensors that were not read, in words; nothing where all were.
    pub(super) fn unread(&self) -> Option<String> {
        (!self.unread.is_empty()).then(|| list(self.unread.iter().map(String::as_str)))
    }

    /// The sizes of a tensor of so many dimensions, none of them zero.
    pub(super) fn shape<const DIMENSIONS: usize>(&self, name: &str) -> Result<[usize; DIMENSIONS], TensorError> {
        let view = self.view(name)?;
        match view.shape().try_into() {
            Ok(shape) if !view.shape().contains(&0) => Ok(shape),
            _ => Err(TensorError(format!("`{name}` is {:?}, expected {DIMENSIONS} dimensions", view.shape()))),
        }
    }

    /// The elements of a tensor. Those of 16 bits become f32, exactly.
    pub(super) fn read(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, TensorError> {
        let view = self.view(name)?;
        if view.shape() != shape {
            return Err(TensorError(format!("`{name}` is {:?}, expected {shape:?}", view.shape())));
        }
        let values = widened(&view).ok_or_else(|| {
            let dtype = view.dtype();
            TensorError(format!("`{name}` is {dtype:?}, not F32, F16 or BF16; convert it with `.float()` in Python"))
        })?;
        self.unread.remove(name);
        finite(name, values)
    }

    fn view(&self, name: &str) -> Result<TensorView<'a>, TensorError> {
        self.tensors.tensor(name).map_err(|_| TensorError(format!("`{name}` is missing")))
    }
}

fn widened(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let (pairs, _) = view.data().as_chunks::<2>();
    match view.dtype() {
        Dtype::F32 => Some(bytemuck::pod_collect_to_vec(view.data())),
        Dtype::F16 => Some(pairs.iter().map(|pair| f16::from_le_bytes(*pair).to_f32()).collect()),
        Dtype::BF16 => Some(pairs.iter().map(|pair| bf16::from_le_bytes(*pair).to_f32()).collect()),
        _ => None,
    }
}

/// The first few names, and how many more there are.
pub(super) fn list<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMED);
    let mut words = names.take(NAMED).map(|name| format!("`{name}`")).collect::<Vec<_>>();
    if words.is_empty() {
        words.push("no tensors".into());
    }
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words.join(", ")
}
