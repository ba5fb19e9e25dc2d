//! The registry against the shaders, the shaders against the host side, and a test for each.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use kernels::{CPU_KERNELS, REGISTRY};
use naga::{AddressSpace, ResourceBinding, Scalar, ShaderStage, StorageAccess, TypeInner};
use runtime::Access;
use tests::languages::{Needs, for_each_module, module};

use super::{
    activations, arithmetic, attention, classification, embeddings, feed_forward, flow, normalisation, optimiser,
    product, randomness,
};

/// The oracle test of each kernel.
const TESTS: &[(&str, fn())] = &[
    ("adamw", optimiser::adamw),
    ("adamw_pairs", optimiser::adamw_pairs),
    ("add", arithmetic::add),
    ("add_positions", embeddings::add_positions),
    ("attention", attention::attention),
    ("attention_backward", attention::attention_backward),
    ("attention_backward_subgroup", attention::attention_backward_subgroup),
    ("attention_subgroup", attention::attention_subgroup),
    ("column_sum", arithmetic::column_sum),
    ("column_sum_pairs", arithmetic::column_sum_pairs),
    ("column_sum_quads", arithmetic::column_sum_quads),
    ("cross_entropy", classification::cross_entropy),
    ("cross_entropy_backward", classification::cross_entropy_backward),
    ("euler", flow::euler),
    ("fill", arithmetic::fill),
    ("flow_point", flow::flow_point),
    ("gate_backward", normalisation::gate_backward),
    ("gate_backward_pairs", normalisation::gate_backward_pairs),
    ("gather_batch", randomness::gather_batch),
    ("gaussian_noise", randomness::gaussian_noise),
    ("gelu_backward", activations::gelu_backward),
    ("gradient_clip", optimiser::gradient_clip),
    ("guidance_euler", flow::guidance_euler),
    ("guided_velocity", flow::guided_velocity),
    ("label_dropout", randomness::label_dropout),
    ("label_embedding", embeddings::label_embedding),
    ("label_embedding_backward", embeddings::label_embedding_backward),
    ("layer_norm_modulate", normalisation::layer_norm_modulate),
    ("layer_norm_modulate_backward", normalisation::layer_norm_modulate_backward),
    ("layer_norm_modulate_backward_pairs", normalisation::layer_norm_modulate_backward_pairs),
    ("layer_norm_modulate_pairs", normalisation::layer_norm_modulate_pairs),
    ("logit_normal_time", randomness::logit_normal_time),
    ("matmul", product::matmul),
    ("matmul_cooperative_16", product::half::matmul_cooperative_16),
    ("matmul_cooperative_8", product::half::matmul_cooperative_8),
    ("matmul_f16", product::half::matmul_f16),
    ("matmul_register", product::matmul_register),
    ("matmul_subgroup", product::matmul_subgroup),
    ("matmul_wide", product::matmul_wide),
    ("mean_pool", classification::mean_pool),
    ("mean_pool_backward", classification::mean_pool_backward),
    ("modulation_backward", normalisation::modulation_backward),
    ("modulation_backward_pairs", normalisation::modulation_backward_pairs),
    ("mse", flow::mse),
    ("mse_backward", flow::mse_backward),
    ("patchify", embeddings::patchify),
    ("scaled_error", flow::scaled_error),
    ("silu", activations::silu),
    ("silu_backward", activations::silu_backward),
    ("sum_of_squares", optimiser::sum_of_squares),
    ("time_features", embeddings::time_features),
    ("uniform_time", randomness::uniform_time),
    ("unpatchify", embeddings::unpatchify),
];

/// Those of the kernels without a shader.
const TESTS_OF_CPUS: &[(&str, fn())] = &[
    ("feed_forward", feed_forward::feed_forward),
    ("feed_forward_backward", feed_forward::feed_forward_backward),
    ("feed_forward_backward_half", feed_forward::feed_forward_backward_half),
    ("feed_forward_half", feed_forward::feed_forward_half),
];

/// Where the gradient of a kernel's outputs at its inputs comes from.
enum Gradient {
    /// From these kernels.
    By(&'static [&'static str]),
    /// It is the upstream gradient itself.
    Upstream,
    /// It computes a gradient.
    Backward,
    /// Nothing is differentiated through it: what it serves.
    Outside(&'static str),
}

use Gradient::{Backward, By, Outside, Upstream};

const GRADIENTS: &[(&str, Gradient)] = &[
    ("adamw", Outside("the optimiser")),
    ("adamw_pairs", Outside("the optimiser")),
    ("add", Upstream),
    ("add_positions", Upstream),
    ("attention", By(&["attention_backward"])),
    ("attention_backward", Backward),
    ("attention_backward_subgroup", Backward),
    ("attention_subgroup", By(&["attention_backward_subgroup"])),
    ("column_sum", Backward),
    ("column_sum_pairs", Backward),
    ("column_sum_quads", Backward),
    ("cross_entropy", By(&["cross_entropy_backward"])),
    ("cross_entropy_backward", Backward),
    ("euler", Outside("sampling")),
    ("fill", Outside("initial values")),
    ("flow_point", Outside("training data")),
    ("gate_backward", Backward),
    ("gate_backward_pairs", Backward),
    ("gather_batch", Outside("training data")),
    ("gaussian_noise", Outside("training data and sampling")),
    ("gelu_backward", Backward),
    ("gradient_clip", Outside("the optimiser")),
    ("guidance_euler", Outside("sampling")),
    ("guided_velocity", Outside("sampling")),
    ("label_dropout", Outside("training data")),
    ("label_embedding", By(&["label_embedding_backward"])),
    ("label_embedding_backward", Backward),
    ("layer_norm_modulate", By(&["layer_norm_modulate_backward", "modulation_backward"])),
    ("layer_norm_modulate_backward", Backward),
    ("layer_norm_modulate_backward_pairs", Backward),
    ("layer_norm_modulate_pairs", By(&["layer_norm_modulate_backward_pairs", "modulation_backward_pairs"])),
    ("logit_normal_time", Outside("training data")),
    // The products of its backward are products; the rest are its bias's, which some variants have too, and its
    // epilogues'.
    ("matmul", By(&["matmul", "column_sum", "gelu_backward", "gate_backward"])),
    ("matmul_cooperative_16", By(&["matmul", "column_sum", "gelu_backward", "gate_backward"])),
    ("matmul_cooperative_8", By(&["matmul", "column_sum", "gelu_backward", "gate_backward"])),
    ("matmul_f16", By(&["matmul", "column_sum", "gelu_backward", "gate_backward"])),
    (
        "matmul_register",
        By(&[
            "matmul_register",
            "column_sum",
            "column_sum_pairs",
            "column_sum_quads",
            "gelu_backward",
            "gate_backward",
            "gate_backward_pairs",
        ]),
    ),
    ("matmul_subgroup", By(&["matmul_subgroup", "gelu_backward", "gate_backward_pairs"])),
    ("matmul_wide", By(&["matmul_wide", "gelu_backward", "gate_backward"])),
    ("mean_pool", By(&["mean_pool_backward"])),
    ("mean_pool_backward", Backward),
    ("modulation_backward", Backward),
    ("modulation_backward_pairs", Backward),
    ("mse", By(&["mse_backward"])),
    ("mse_backward", Backward),
    ("patchify", By(&["unpatchify"])),
    ("scaled_error", Outside("sampling")),
    ("silu", By(&["silu_backward"])),
    ("silu_backward", Backward),
    ("sum_of_squares", Outside("the optimiser")),
    ("time_features", Outside("times are given, not learnt")),
    ("uniform_time", Outside("training data")),
    ("unpatchify", By(&["patchify"])),
];

/// WebGPU's default limits.
const STORAGE_BUFFERS: usize = 8;
const INVOCATIONS: u32 = 256;

fn names() -> BTreeSet<&'static str> {
    REGISTRY.iter().map(|kernel| kernel.name).collect()
}

#[test]
fn names_are_unique() {
    assert_eq!(names().len(), REGISTRY.len());
}

#[test]
fn every_shader_is_registered_and_every_entry_has_its_shader() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shaders");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let shaders = files.filter(|path| path.extension().is_some_and(|extension| extension == "wgsl"));
    let stems: BTreeSet<String> = shaders.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(stems, names().into_iter().map(str::to_owned).collect());
}

#[test]
fn every_kernel_has_a_test() {
    let tested: BTreeMap<&str, fn()> = TESTS.iter().copied().collect();
    assert_eq!(tested.len(), TESTS.len(), "a kernel stands twice in the table of tests");
    assert_eq!(tested.into_keys().collect::<BTreeSet<_>>(), names());
}

#[test]
fn every_kernel_of_cpus_has_a_test_and_no_shader() {
    let tested: BTreeMap<&str, fn()> = TESTS_OF_CPUS.iter().copied().collect();
    assert_eq!(tested.len(), TESTS_OF_CPUS.len(), "a kernel stands twice in the table of tests");
    let known: BTreeSet<&str> = CPU_KERNELS.iter().map(|kernel| kernel.name).collect();
    assert_eq!(tested.into_keys().collect::<BTreeSet<_>>(), known);
    assert!(known.is_disjoint(&names()) && CPU_KERNELS.iter().all(|kernel| kernel.wgsl.is_none()));
}

#[test]
fn every_differentiable_kernel_has_its_backward() {
    let stated: BTreeMap<&str, &Gradient> = GRADIENTS.iter().map(|(name, gradient)| (*name, gradient)).collect();
    assert_eq!(stated.len(), GRADIENTS.len(), "a kernel stands twice in the table of gradients");
    assert_eq!(stated.keys().copied().collect::<BTreeSet<_>>(), names());
    let mut used = BTreeSet::new();
    for (name, gradient) in &stated {
        match gradient {
            By(kernels) => {
                assert!(!kernels.is_empty(), "{name} names no backward");
                used.extend(kernels.iter().copied());
            }
            Outside(purpose) => assert!(!purpose.is_empty(), "{name} does not say what it serves"),
            Upstream | Backward => {}
        }
    }
    let unknown: Vec<_> = used.difference(&names()).copied().collect();
    assert!(unknown.is_empty(), "named as a backward, but no kernel: {unknown:?}");
    let backward = stated.iter().filter(|(_, gradient)| matches!(gradient, Backward)).map(|(name, _)| *name);
    let idle: Vec<_> = backward.filter(|name| !used.contains(name)).collect();
    assert!(idle.is_empty(), "no kernel's gradient: {idle:?}");
}

#[test]
fn every_shader_has_one_entry_point_within_the_default_limits() {
    for_each_module(Needs::Matrices, |kernel, module, _, case| {
        let [entry] = module.entry_points.as_slice() else {
            panic!("{case}: {} entry points", module.entry_points.len())
        };
        assert_eq!((entry.name.as_str(), entry.stage), ("main", ShaderStage::Compute), "{case}");
        let invocations: u32 = entry.workgroup_size.iter().product();
        assert!((1..=INVOCATIONS).contains(&invocations), "{case}: {invocations} invocations a workgroup");
        assert!(kernel.bindings.len() <= STORAGE_BUFFERS, "{case}: {} storage buffers", kernel.bindings.len());
    });
}

#[test]
fn parameter_blocks_are_those_of_the_shaders() {
    for kernel in REGISTRY {
        let (name, module) = (kernel.name, module(kernel));
        let uniforms = module.global_variables.iter().filter(|(_, global)| global.space == AddressSpace::Uniform);
        let [(_, block)] = uniforms.collect::<Vec<_>>()[..] else { panic!("{name}: not one uniform") };
        assert_eq!(block.binding, Some(ResourceBinding { group: 0, binding: 0 }), "{name}");
        let TypeInner::Struct { members, span } = &module.types[block.ty].inner else {
            panic!("{name}: the uniform is no struct")
        };
        let shader: Vec<_> = members
            .iter()
            .map(|member| (member.name.as_deref().unwrap_or_default(), &module.types[member.ty].inner, member.offset))
            .collect();
        let scalars = kernel.parameters.iter().map(|field| match field.scalar {
            runtime::Scalar::U32 => TypeInner::Scalar(Scalar::U32),
            runtime::Scalar::F32 => TypeInner::Scalar(Scalar::F32),
        });
        let scalars: Vec<TypeInner> = scalars.collect();
        let host: Vec<_> = kernel
            .parameters
            .iter()
            .zip(&scalars)
            .zip(0..)
            .map(|((field, scalar), i)| (field.name, scalar, 4 * i))
            .collect();
        assert_eq!(shader, host, "{name}: the shader's parameters, and the host's");
        assert_eq!(*span, 4 * kernel.parameters.len() as u32, "{name}");
    }
}

#[test]
fn bindings_are_those_of_the_shaders() {
    for kernel in REGISTRY {
        let (name, module) = (kernel.name, module(kernel));
        let mut shader: Vec<_> = module
            .global_variables
            .iter()
            .filter_map(|(_, global)| match global.space {
                AddressSpace::Storage { access } => {
                    Some((global.binding.unwrap(), global.name.clone().unwrap(), access))
                }
                _ => None,
            })
            .collect();
        shader.sort_by_key(|(binding, ..)| *binding);
        let host = kernel.bindings.iter().zip(1..).map(|(binding, index)| {
            let access = match binding.access {
                Access::Read => StorageAccess::LOAD,
                Access::ReadWrite => StorageAccess::LOAD | StorageAccess::STORE,
            };
            (ResourceBinding { group: 0, binding: index }, binding.name.to_owned(), access)
        });
        assert_eq!(shader, host.collect::<Vec<_>>(), "{name}: the shader's bindings, and the host's");
    }
}
