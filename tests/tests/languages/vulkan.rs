//! SPIR-V, as wgpu hands it to Vulkan.

use std::io;

use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use tests::harness::report_skip;
use tests::languages::{ENTRY, Needs, Tally, for_each_module, spirv_val};

/// With bounds checks everywhere, as the runtime asks for them.
#[test]
fn checked_spirv_is_valid() {
    spirv_is_valid(BoundsCheckPolicy::Restrict, "checked");
}

#[test]
fn trusted_spirv_is_valid() {
    spirv_is_valid(BoundsCheckPolicy::Unchecked, "trusted");
}

/// What a device is opened with, as wgpu's Vulkan backend hands it on.
fn capabilities(needs: Needs) -> naga::FastHashSet<spv::Capability> {
    use spv::Capability::*;
    let half = [Shader, Float16, StorageBuffer16BitAccess, UniformAndStorageBuffer16BitAccess];
    let matrices = [CooperativeMatrixKHR, VulkanMemoryModel, VulkanMemoryModelDeviceScope, GroupNonUniform];
    let subgroups = [Shader, GroupNonUniform, GroupNonUniformArithmetic, GroupNonUniformShuffle];
    match needs {
        Needs::Core => [Shader].into_iter().collect(),
        Needs::Subgroups => subgroups.into_iter().collect(),
        Needs::WideIntegers => subgroups.into_iter().chain([Int64]).collect(),
        Needs::Half => half.into_iter().collect(),
        Needs::Matrices => half.into_iter().chain(matrices).collect(),
    }
}

/// For Vulkan 1.1, and with no capability that a driver may lack or that was not asked for.
fn spirv_is_valid(bounds: BoundsCheckPolicy, checks: &str) {
    let options = |needs| spv::Options {
        lang_version: (1, 3),
        capabilities: Some(capabilities(needs)),
        bounds_check_policies: BoundsCheckPolicies {
            index: bounds,
            buffer: bounds,
            image_load: bounds,
            binding_array: bounds,
        },
        force_loop_bounding: bounds == BoundsCheckPolicy::Restrict,
        ..Default::default()
    };
    let (mut tally, mut skipped) = (Tally::default(), 0);
    for_each_module(Needs::Matrices, |kernel, module, info, case| {
        let pipeline = spv::PipelineOptions { shader_stage: ENTRY.0, entry_point: ENTRY.1.into() };
        let words = spv::write_vec(module, info, &options(Needs::of(kernel)), Some(&pipeline))
            .unwrap_or_else(|e| panic!("{case}: {e}"));
        match spirv_val(&words) {
            // A validator from before cooperative matrices cannot read these modules.
            Ok(complaints) if complaints.contains("Invalid capability operand: 6022") => {
                return eprintln!("SKIPPED: spirv-val is too old for {case}");
            }
            Ok(complaints) => assert!(complaints.is_empty(), "{case}: {complaints}"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return skipped += 1,
            Err(error) => panic!("spirv-val: {error}"),
        }
        tally.accepted(kernel.name);
    });
    tally.record("spirv-val", &format!("{checks} SPIR-V of naga"));
    if skipped > 0 {
        report_skip(format_args!("no spirv-val (Debian: spirv-tools), so {skipped} modules were not validated"));
    }
}
