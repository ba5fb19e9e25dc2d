//! Every differentiable operation of the tape, in the middle of a graph, against central differences
//! of what the device itself computes.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod attention;
mod cross_entropy;
mod graph;
mod label_embedding;
mod layer_norm_modulate;
mod linear;
mod mean_pool;
mod mean_squared_error;
mod positions;
mod silu;
mod tape;
mod unpatchify;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use kernels::REGISTRY;

/// A file of operations, kernels that its way back launches, and the test of its gradients, which holds it to them.
type Gradient = (&'static str, &'static [&'static str], fn());

const GRADIENTS: &[Gradient] = &[
    ("attention", attention::KERNELS, attention::attention),
    ("cross_entropy", cross_entropy::KERNELS, cross_entropy::cross_entropy),
    ("label_embedding", label_embedding::KERNELS, label_embedding::label_embedding),
    ("layer_norm_modulate", layer_norm_modulate::KERNELS, layer_norm_modulate::layer_norm_modulate),
    ("linear", linear::KERNELS, linear::linear),
    ("mean_pool", mean_pool::KERNELS, mean_pool::mean_pool),
    ("mean_squared_error", mean_squared_error::KERNELS, mean_squared_error::mean_squared_error),
    ("positions", positions::KERNELS, positions::positions),
    ("silu", silu::KERNELS, silu::silu),
    ("unpatchify", unpatchify::KERNELS, unpatchify::unpatchify),
];

#[test]
fn every_operation_has_a_gradient_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/autograd/src/operations");
    let stems = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let stems = stems.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    let operations: BTreeSet<String> = stems.filter(|stem| stem != "mod").collect();
    let tested: BTreeSet<String> = GRADIENTS.iter().map(|(operation, ..)| (*operation).to_owned()).collect();
    assert_eq!(tested.len(), GRADIENTS.len(), "an operation stands twice in the table");
    assert_eq!(tested, operations, "the operations with a test of their gradients, and the files of operations");
}

#[test]
fn every_backward_kernel_is_in_the_way_back_of_an_operation() {
    let used: BTreeSet<&str> = GRADIENTS.iter().flat_map(|(_, kernels, _)| kernels.iter().copied()).collect();
    let names: BTreeSet<&str> = REGISTRY.iter().map(|kernel| kernel.name).collect();
    assert!(used.is_subset(&names), "no kernels: {:?}", used.difference(&names));
    let backward: BTreeSet<&str> = names.into_iter().filter(|name| name.ends_with("_backward")).collect();
    assert!(backward.is_subset(&used), "no gradient test runs {:?}", backward.difference(&used));
}
