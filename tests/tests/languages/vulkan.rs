//! SPIR-V, as wgpu hands it to Vulkan.

use std::io;

use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use tests::harness::report_skip;
use tests::languages::{ENTRY, Tally, for_each_module, spirv_val};

/// With bounds checks everywhere, as the runtime asks for them.
#[test]
fn checked_spirv_is_valid() {
    spirv_is_valid(BoundsCheckPolicy::Restrict, "checked");
}

#[test]
fn trusted_spirv_is_valid() {
    spirv_is_valid(BoundsCheckPolicy::Unchecked, "trusted");
}

/// For Vulkan 1.1, and with no capability that a driver may lack.
fn spirv_is_valid(bounds: BoundsCheckPolicy, checks: &str) {
    let options = spv::Options {
        lang_version: (1, 3),
        capabilities: Some([spv::Capability::Shader].into_iter().collect()),
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
    for_each_module(|kernel, module, info, case| {
        let pipeline = spv::PipelineOptions { shader_stage: ENTRY.0, entry_point: ENTRY.1.into() };
        let words = spv::write_vec(module, info, &options, Some(&pipeline)).unwrap_or_else(|e| panic!("{case}: {e}"));
        match spirv_val(&words) {
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
