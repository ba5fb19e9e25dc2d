//! The limits that WebGPU promises everywhere.

use naga::AddressSpace;
use tests::languages::{Needs, for_each_module};

/// WebGPU's default limit.
const WORKGROUP_BYTES: u32 = 16 * 1024;

/// wgpu leaves this limit to the driver, and a software driver has more.
#[test]
fn workgroup_memory_is_within_the_default_limit() {
    for_each_module(Needs::Matrices, |_, module, _, case| {
        let shared = module.global_variables.iter().filter(|(_, global)| global.space == AddressSpace::WorkGroup);
        let bytes: u32 =
            shared.map(|(_, global)| module.types[global.ty].inner.size(module.to_ctx()).next_multiple_of(16)).sum();
        assert!(bytes <= WORKGROUP_BYTES, "{case}: {bytes} bytes of workgroup memory");
    });
}
