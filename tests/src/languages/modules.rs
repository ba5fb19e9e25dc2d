//! Kernels as naga's modules, with a launch's constants in them.

use std::collections::BTreeSet;

use kernels::REGISTRY;
use naga::back::PipelineConstants;
use naga::back::pipeline_constants::process_overrides;
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, ShaderStage};
use runtime::Kernel;

use super::constants;

/// Every shader's entry point.
pub const ENTRY: (ShaderStage, &str) = (ShaderStage::Compute, "main");

/// The WGSL of a kernel, which those of the registry all have.
pub fn text(kernel: &Kernel) -> &'static str {
    kernel.wgsl.unwrap_or_else(|| panic!("{} has no body for GPUs", kernel.name))
}

/// The shader of a kernel.
pub fn module(kernel: &Kernel) -> Module {
    let text = text(kernel);
    naga::front::wgsl::parse_str(text).unwrap_or_else(|error| panic!("{}: {}", kernel.name, error.emit_to_string(text)))
}

/// What a shader needs beyond what WebGPU has everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing.
    Core,
    /// Subgroups, which browsers spell in another way than naga.
    Subgroups,
    /// Integers of 64 bits, which browsers have none of; some of these have subgroups too.
    WideIntegers,
    /// 16-bit floats.
    Half,
    /// Cooperative matrices too, which are an extension of wgpu's: of its languages only SPIR-V and MSL have them.
    Matrices,
}

impl Needs {
    /// What a kernel's shader enables or calls.
    pub fn of(kernel: &Kernel) -> Self {
        let has = |needed: &str| text(kernel).contains(needed);
        if has("enable wgpu_cooperative_matrix;") {
            Needs::Matrices
        } else if has("u64>") {
            Needs::WideIntegers
        } else if has("enable f16;") {
            Needs::Half
        } else if has("subgroupAdd(") || has("subgroupBroadcast(") {
            Needs::Subgroups
        } else {
            Needs::Core
        }
    }
}

/// Runs a check on every kernel that needs no more than `most` with every set of its constants: the kernel,
/// the module that these make of its shader, and the case's name.
pub fn for_each_module(most: Needs, mut check: impl FnMut(&'static Kernel, &Module, &ModuleInfo, &str)) {
    for kernel in REGISTRY.iter().filter(|kernel| Needs::of(kernel) <= most) {
        let (module, info) = validated(kernel);
        let declared: BTreeSet<_> = module.overrides.iter().filter_map(|(_, value)| value.name.as_deref()).collect();
        for constants in constants(kernel) {
            let case = format!("{} {constants:?}", kernel.name);
            assert_eq!(constants.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), declared, "{case}");
            let (module, info) = with_constants(&module, &info, &constants, &case);
            check(kernel, &module, &info, &case);
        }
    }
}

/// The module of a kernel with these constants in it.
pub fn specialise(kernel: &Kernel, constants: &[(&'static str, f64)]) -> (Module, ModuleInfo) {
    let (module, info) = validated(kernel);
    with_constants(&module, &info, constants, kernel.name)
}

fn validated(kernel: &Kernel) -> (Module, ModuleInfo) {
    let module = module(kernel);
    let capabilities = match Needs::of(kernel) {
        Needs::Core => Capabilities::empty(),
        Needs::Subgroups => Capabilities::SUBGROUP,
        Needs::Half => Capabilities::SHADER_FLOAT16,
        Needs::WideIntegers => Capabilities::SHADER_INT64 | Capabilities::SUBGROUP,
        Needs::Matrices => Capabilities::SHADER_FLOAT16 | Capabilities::SUBGROUP | Capabilities::COOPERATIVE_MATRIX,
    };
    let info = Validator::new(ValidationFlags::all(), capabilities).validate(&module);
    let info = info.unwrap_or_else(|error| panic!("{}: {}", kernel.name, error.emit_to_string(text(kernel))));
    (module, info)
}

fn with_constants(
    module: &Module,
    info: &ModuleInfo,
    constants: &[(&'static str, f64)],
    case: &str,
) -> (Module, ModuleInfo) {
    let values: PipelineConstants = constants.iter().map(|(name, value)| ((*name).into(), *value)).collect();
    let (module, info) =
        process_overrides(module, info, Some(ENTRY), &values).unwrap_or_else(|e| panic!("{case}: {e}"));
    (module.into_owned(), info.into_owned())
}
