//! Every kernel in the languages that wgpu hands to drivers, within the limits of WebGPU and of Metal.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::process::{Command, Stdio};

use kernels::{MAX_TOKENS, REGISTRY};
use naga::back::pipeline_constants::process_overrides;
use naga::back::{PipelineConstants, hlsl, msl, spv};
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{AddressSpace, Module, ShaderStage};
use runtime::{Access, Kernel};
use tests::harness::report_skip;

use super::registry;

/// WebGPU's default limit. For the same variables Metal has 32 KiB.
const WORKGROUP_BYTES: u32 = 16 * 1024;
/// Buffers that a Metal function can take.
const METAL_BUFFERS: usize = 31;

/// Every shader's entry point.
const ENTRY: (ShaderStage, &str) = (ShaderStage::Compute, "main");

/// Values for the `override` constants of a shader.
type Constants = Vec<(&'static str, f64)>;

/// Every set of constants that a kernel is launched with, attention's for the tokens of square images.
fn constants(kernel: &Kernel) -> Vec<Constants> {
    match kernel.name {
        "matmul" | "matmul_register" => [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0)]
            .into_iter()
            .flat_map(|(a, b)| {
                (0..=4).map(move |epilogue| {
                    vec![("A_TRANSPOSED", a), ("B_TRANSPOSED", b), ("EPILOGUE", f64::from(epilogue))]
                })
            })
            .collect(),
        "attention" => attention(|tokens| 4096 / tokens),
        "attention_backward" => attention(|tokens| (4096 - tokens.next_multiple_of(4)) / 2 / 4 * 4 / tokens),
        _ => vec![Constants::new()],
    }
}

/// ROWS as `Heads::rows_a_workgroup` has it: `rows` fit the memory of a workgroup, but 16 are enough.
fn attention(rows: fn(usize) -> usize) -> Vec<Constants> {
    let squares = (1..).map(|side| side * side).take_while(|tokens| *tokens <= MAX_TOKENS);
    // And some whose rows do not fill the memory evenly.
    squares
        .chain([178, 315, 819, MAX_TOKENS])
        .map(|tokens| vec![("ROWS", rows(tokens).min(16) as f64), ("TOKENS", tokens as f64)])
        .collect()
}

/// Runs a check on every kernel with every set of its constants: the kernel, the module that
/// these make of its shader, and the case's name.
fn for_each_module(mut check: impl FnMut(&Kernel, &Module, &ModuleInfo, &str)) {
    for kernel in REGISTRY {
        let module = registry::module(kernel);
        let info = Validator::new(ValidationFlags::all(), Capabilities::empty()).validate(&module).unwrap();
        let declared: BTreeSet<_> = module.overrides.iter().filter_map(|(_, value)| value.name.as_deref()).collect();
        for constants in constants(kernel) {
            let case = format!("{} {constants:?}", kernel.name);
            assert_eq!(constants.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), declared, "{case}");
            let values: PipelineConstants = constants.iter().map(|(name, value)| ((*name).into(), *value)).collect();
            let (module, info) = process_overrides(&module, &info, Some(ENTRY), &values).unwrap();
            check(kernel, &module, &info, &case);
        }
    }
}

/// Bounds checks as the runtime asks for them: everywhere.
fn checked() -> BoundsCheckPolicies {
    let restrict = BoundsCheckPolicy::Restrict;
    BoundsCheckPolicies { index: restrict, buffer: restrict, image_load: restrict, binding_array: restrict }
}

/// wgpu leaves this limit to the driver, and a software driver has more.
#[test]
fn workgroup_memory_is_within_the_default_limit() {
    for_each_module(|_, module, _, case| {
        let shared = module.global_variables.iter().filter(|(_, global)| global.space == AddressSpace::WorkGroup);
        let bytes: u32 =
            shared.map(|(_, global)| module.types[global.ty].inner.size(module.to_ctx()).next_multiple_of(16)).sum();
        assert!(bytes <= WORKGROUP_BYTES, "{case}: {bytes} bytes of workgroup memory");
    });
}

/// For Vulkan 1.1, and with no capability that a driver may lack.
#[test]
fn spirv_is_valid() {
    let options = spv::Options {
        lang_version: (1, 3),
        capabilities: Some([spv::Capability::Shader].into_iter().collect()),
        bounds_check_policies: checked(),
        ..Default::default()
    };
    let mut skipped = 0;
    for_each_module(|_, module, info, case| {
        let pipeline = spv::PipelineOptions { shader_stage: ENTRY.0, entry_point: ENTRY.1.into() };
        let words = spv::write_vec(module, info, &options, Some(&pipeline)).unwrap_or_else(|e| panic!("{case}: {e}"));
        match spirv_val(bytemuck::cast_slice(&words)) {
            Ok(complaints) => assert!(complaints.is_empty(), "{case}: {complaints}"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => skipped += 1,
            Err(error) => panic!("spirv-val: {error}"),
        }
    });
    if skipped > 0 {
        report_skip(format_args!("no spirv-val (Debian: spirv-tools), so {skipped} modules were not validated"));
    }
}

/// What spirv-val has against a module: nothing if it is valid.
fn spirv_val(module: &[u8]) -> io::Result<String> {
    let mut command = Command::new("spirv-val");
    command
        .args(["--target-env", "vulkan1.1", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn()?;
    child.stdin.take().unwrap().write_all(module)?;
    let output = child.wait_with_output()?;
    Ok(match output.status.success() {
        true => String::new(),
        false => format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
    })
}

#[test]
fn hlsl_is_generated() {
    let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_0, ..Default::default() };
    let pipeline = hlsl::PipelineOptions { entry_point: Some((ENTRY.0, ENTRY.1.into())) };
    for_each_module(|_, module, info, case| {
        let mut source = String::new();
        let reflection = hlsl::Writer::new(&mut source, &options, &pipeline).write(module, info, None);
        let names = reflection.unwrap_or_else(|e| panic!("{case}: {e}")).entry_point_names;
        assert!(matches!(names.as_slice(), [Ok(_)]), "{case}: {names:?}");
    });
}

/// In the version of macOS 10.13, and bound as wgpu binds: the parameters, the kernel's buffers, and
/// a buffer of their sizes.
#[test]
fn metal_is_generated_within_its_limits() {
    for_each_module(|kernel, module, info, case| {
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
        let options = msl::Options {
            lang_version: (2, 0),
            per_entry_point_map: BTreeMap::from([(ENTRY.1.into(), resources)]),
            fake_missing_bindings: false,
            bounds_check_policies: checked(),
            ..Default::default()
        };
        let pipeline = msl::PipelineOptions { entry_point: Some((ENTRY.0, ENTRY.1.into())), ..Default::default() };
        let (source, translation) =
            msl::write_string(module, info, &options, &pipeline).unwrap_or_else(|e| panic!("{case}: {e}"));
        let names = translation.entry_point_names;
        assert!(matches!(names.as_slice(), [Ok(_)]), "{case}: {names:?}");
        let buffers = source.matches("[[buffer(").count();
        assert!((1..=METAL_BUFFERS).contains(&buffers), "{case}: {buffers} buffers");
    });
}
