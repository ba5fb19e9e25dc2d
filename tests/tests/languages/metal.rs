//! MSL. No compiler for it is at hand off a Mac, so its limits are held against the text and the module.

use std::collections::BTreeMap;

use naga::back::msl;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy, Layouter};
use naga::{AddressSpace, Module, ScalarKind, TypeInner};
use runtime::{Access, Kernel};
use tests::languages::{ENTRY, Needs, Tally, for_each_module};

/// Buffers that a Metal function can take.
const BUFFERS: usize = 31;
/// Bytes of threadgroup memory on every family of GPUs that macOS 10.13 runs on.
const THREADGROUP_BYTES: u32 = 32 * 1024;
/// The length of a threadgroup variable is set in multiples of this.
const THREADGROUP_GRANULE: u32 = 16;
/// Threads of a threadgroup, on the oldest families too.
const THREADS: u32 = 512;

/// In the version of macOS 10.13, that of macOS 11 where matrices or integers of 64 bits need it, and bound as wgpu binds.
#[test]
fn metal_is_generated_within_its_limits() {
    for (policy, checks) in [(BoundsCheckPolicy::Restrict, "checked"), (BoundsCheckPolicy::Unchecked, "trusted")] {
        let mut tally = Tally::default();
        for_each_module(Needs::Matrices, |kernel, module, info, case| {
            let pipeline = msl::PipelineOptions { entry_point: Some((ENTRY.0, ENTRY.1.into())), ..Default::default() };
            let (source, translation) = msl::write_string(module, info, &options(kernel, policy), &pipeline)
                .unwrap_or_else(|e| panic!("{case}: {e}"));
            let names = translation.entry_point_names;
            assert!(matches!(names.as_slice(), [Ok(_)]), "{case}: {names:?}");
            let buffers = source.matches("[[buffer(").count();
            assert!((1..=BUFFERS).contains(&buffers), "{case}: {buffers} buffers");
            let bytes = threadgroup_bytes(module);
            assert!(bytes <= THREADGROUP_BYTES, "{case}: {bytes} bytes of threadgroup memory");
            let threads: u32 = module.entry_points[0].workgroup_size.iter().product();
            assert!(threads <= THREADS, "{case}: {threads} threads");
            tally.accepted(kernel.name);
        });
        tally.record("naga (MSL)", &format!("{checks}, within Metal's limits"));
    }
}

/// Metal has no doubles, 64-bit integers only since 2.3, and atomic floats only since 3.0.
#[test]
fn scalars_are_of_32_bits() {
    for_each_module(Needs::Subgroups, |_, module, _, case| {
        for (_, ty) in module.types.iter() {
            let (scalar, atomic) = match &ty.inner {
                TypeInner::Scalar(scalar)
                | TypeInner::Vector { scalar, .. }
                | TypeInner::ValuePointer { scalar, .. }
                | TypeInner::Matrix { scalar, .. } => (scalar, false),
                TypeInner::Atomic(scalar) => (scalar, true),
                TypeInner::Pointer { .. } | TypeInner::Array { .. } | TypeInner::Struct { .. } => continue,
                other => panic!("{case}: {other:?} is neither a number nor made of numbers"),
            };
            assert!(scalar.width == 4 || scalar.kind == ScalarKind::Bool, "{case}: {:?}", ty.inner);
            assert!(!atomic || scalar.kind != ScalarKind::Float, "{case}: an atomic float");
        }
    });
}

/// The parameters, the kernel's buffers, and a buffer of their sizes.
fn options(kernel: &Kernel, policy: BoundsCheckPolicy) -> msl::Options {
    let sizes = 1 + kernel.bindings.len();
    let written = kernel.bindings.iter().map(|binding| binding.access == Access::ReadWrite);
    let slots = [false].into_iter().chain(written).zip(0..).map(|(mutable, slot)| {
        let binding = naga::ResourceBinding { group: 0, binding: slot };
        (binding, msl::BindTarget { buffer: Some(slot as u8), mutable, ..Default::default() })
    });
    let resources = msl::EntryPointResources {
        resources: slots.collect(),
        immediates_buffer: None,
        sizes_buffer: Some(sizes as u8),
    };
    msl::Options {
        lang_version: match Needs::of(kernel) {
            Needs::WideIntegers | Needs::Matrices => (2, 3),
            Needs::Core | Needs::Subgroups | Needs::Half => (2, 0),
        },
        per_entry_point_map: BTreeMap::from([(ENTRY.1.into(), resources)]),
        fake_missing_bindings: false,
        bounds_check_policies: BoundsCheckPolicies {
            index: policy,
            buffer: policy,
            image_load: policy,
            binding_array: policy,
        },
        zero_initialize_workgroup_memory: false,
        force_loop_bounding: policy == BoundsCheckPolicy::Restrict,
        ..Default::default()
    }
}

/// What wgpu sets for a pipeline: each variable on its own, in whole granules.
fn threadgroup_bytes(module: &Module) -> u32 {
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).unwrap();
    let shared = module.global_variables.iter().filter(|(_, global)| global.space == AddressSpace::WorkGroup);
    shared.map(|(_, global)| layouter[global.ty].size.next_multiple_of(THREADGROUP_GRANULE)).sum()
}
