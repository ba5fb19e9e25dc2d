//! Kernels in HLSL, as wgpu writes them for DirectX 12.

use naga::back::hlsl;
use naga::valid::ModuleInfo;
use naga::{Module, ResourceBinding};
use runtime::{Access, Kernel};

use super::ENTRY;

/// Which registers the bindings are in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registers {
    /// Those of wgpu's root signatures: the parameters are `b0`, buffers that are read `t0`, `t1` and so
    /// on, those that are written `u0` and so on, and the number of workgroups is in `b1`.
    DirectX,
    /// The number of each is that of its binding, from which DXC takes the binding of Vulkan, and the
    /// number of workgroups comes from the driver.
    Vulkan,
}

/// What naga is asked to write.
#[derive(Clone, Copy, Debug)]
pub struct Hlsl {
    /// Which registers the bindings are in.
    pub registers: Registers,
    /// Whether indices are kept in bounds and loops ended by force.
    pub checked: bool,
}

/// How naga reads the number of workgroups: DirectX has no such builtin, so wgpu stores it in three
/// words that draws use otherwise.
const WORKGROUPS: &str = "uint3(_NagaConstants.first_vertex, _NagaConstants.first_instance, _NagaConstants.other)";
const WORKGROUPS_BLOCK: &str = "ConstantBuffer<NagaConstants> _NagaConstants: register(b0, space1);";
/// 24 is NumWorkgroups in SPIR-V.
const WORKGROUPS_OF_VULKAN: &str = "[[vk::ext_builtin_input(24)]] static const uint3 number_of_workgroups;";

impl Hlsl {
    /// The text for a module.
    ///
    /// # Errors
    /// What naga has against it.
    pub fn write(self, kernel: &Kernel, module: &Module, info: &ModuleInfo) -> Result<String, String> {
        let pipeline = hlsl::PipelineOptions { entry_point: Some((ENTRY.0, ENTRY.1.into())) };
        let options = self.options(kernel);
        let mut source = String::new();
        let reflection = hlsl::Writer::new(&mut source, &options, &pipeline).write(module, info, None);
        let names = reflection.map_err(|error| error.to_string())?.entry_point_names;
        match names.as_slice() {
            [Ok(name)] if name == ENTRY.1 => {}
            other => return Err(format!("the entry points are {other:?}")),
        }
        match self.registers {
            Registers::DirectX => Ok(source),
            Registers::Vulkan => {
                let source =
                    source.replace(WORKGROUPS_BLOCK, WORKGROUPS_OF_VULKAN).replace(WORKGROUPS, "number_of_workgroups");
                match source.contains("_NagaConstants") {
                    false => Ok(source),
                    true => Err("naga reads the number of workgroups in a new way".into()),
                }
            }
        }
    }

    /// As wgpu's DirectX 12 backend sets them for a pipeline.
    fn options(self, kernel: &Kernel) -> hlsl::Options {
        let target = |space, register| hlsl::BindTarget { space, register, ..Default::default() };
        let parameters = hlsl::BindTarget { restrict_indexing: true, ..target(0, 0) };
        let binding = |binding| ResourceBinding { group: 0, binding };
        let mut map = hlsl::BindingMap::from([(binding(0), parameters)]);
        let (mut read, mut written) = (0, 0);
        for (number, host) in (1..).zip(kernel.bindings) {
            let next = match host.access {
                Access::Read => &mut read,
                Access::ReadWrite => &mut written,
            };
            let register = match self.registers {
                Registers::DirectX => *next,
                Registers::Vulkan => number,
            };
            *next += 1;
            map.insert(binding(number), target(0, register));
        }
        hlsl::Options {
            shader_model: hlsl::ShaderModel::V6_0,
            binding_map: map,
            fake_missing_bindings: false,
            special_constants_binding: Some(match self.registers {
                Registers::DirectX => target(0, 1),
                Registers::Vulkan => target(1, 0),
            }),
            zero_initialize_workgroup_memory: false,
            restrict_indexing: self.checked,
            force_loop_bounding: self.checked,
            ..Default::default()
        }
    }
}
