//! RADV, asked to compile and to tell about it. wgpu gives a pipeline no way to be asked, so this goes to Vulkan itself.
#![allow(unsafe_code)] // every call of Vulkan is

use anyhow::{Context, Result, anyhow};
use ash::{ext, khr, vk};
use std::ffi::{CStr, c_char};

/// Names of multiply-adds begin so, on older GPUs too.
const MULTIPLY_ADDS: [&str; 3] = ["v_fma", "v_mac_f32", "v_mad_f32"];

/// What the statistics that are read here are.
const INTEGER: vk::PipelineExecutableStatisticFormatKHR = vk::PipelineExecutableStatisticFormatKHR::UINT64;

/// An opened device of RADV's.
pub struct Radeon {
    /// What the driver calls it.
    pub name: String,
    device: ash::Device,
    executables: khr::pipeline_executable_properties::Device,
    // Dropped last: the device is its.
    _instance: ash::Instance,
    _entry: ash::Entry,
}

/// What became of a shader.
pub struct Compiled {
    statistics: Vec<(String, u64)>,
    /// The machine code in words, a line an instruction, blocks named `BB0:` and so on.
    pub assembly: String,
}

impl Compiled {
    /// What the driver says under this name.
    pub fn statistic(&self, name: &str) -> Result<u64> {
        let found = self.statistics.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| *value).with_context(|| format!("the driver does not tell {name}"))
    }

    /// Multiply-adds and instructions of the block between two labels that has most multiply-adds.
    pub fn densest_block(&self) -> (usize, usize) {
        let (mut best, mut block) = ((0, 0), (0, 0));
        for line in self.assembly.lines() {
            if line.starts_with("BB") {
                block = (0, 0);
            } else if line.starts_with('\t') {
                let multiply_add = MULTIPLY_ADDS.iter().any(|name| line.contains(name));
                block = (block.0 + usize::from(multiply_add), block.1 + 1);
                best = best.max(block);
            }
        }
        best
    }
}

impl Radeon {
    /// Opens the first device of RADV's.
    ///
    /// # Errors
    /// Where there is no Vulkan, or no such device.
    pub fn open() -> Result<Self> {
        // SAFETY: the loader is the system's own, and every handle below is used while what it came from is there. The
        // structures that are handed over live until the call returns.
        unsafe {
            let entry = ash::Entry::load().context("there is no Vulkan loader")?;
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_2);
            let instance =
                entry.create_instance(&vk::InstanceCreateInfo::default().application_info(&application), None)?;
            let named = |physical| {
                let properties = instance.get_physical_device_properties(physical);
                text(&properties.device_name)
            };
            let all = instance.enumerate_physical_devices().context(
                "Vulkan has no device; newer versions of Mesa do not heed RADV_FORCE_FAMILY and need the GPU itself",
            )?;
            let found = all.into_iter().map(|physical| (physical, named(physical)));
            let (physical, name) = found.into_iter().find(|(_, name)| name.contains("RADV")).ok_or_else(|| {
                anyhow!("Mesa's driver for AMD GPUs has no device: name one, as in RADV_FORCE_FAMILY=navi21")
            })?;
            let queues = [vk::DeviceQueueCreateInfo::default().queue_family_index(0).queue_priorities(&[1.0])];
            let extensions = [khr::pipeline_executable_properties::NAME.as_ptr(), ext::robustness2::NAME.as_ptr()];
            let features = vk::PhysicalDeviceFeatures::default().robust_buffer_access(true).shader_int64(true);
            let mut vulkan_11 = vk::PhysicalDeviceVulkan11Features::default()
                .storage_buffer16_bit_access(true)
                .uniform_and_storage_buffer16_bit_access(true);
            let mut vulkan_12 = vk::PhysicalDeviceVulkan12Features::default().shader_float16(true);
            let mut robustness = vk::PhysicalDeviceRobustness2FeaturesEXT::default().robust_buffer_access2(true);
            let mut executable =
                vk::PhysicalDevicePipelineExecutablePropertiesFeaturesKHR::default().pipeline_executable_info(true);
            let description = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .enabled_extension_names(&extensions)
                .enabled_features(&features)
                .push_next(&mut vulkan_11)
                .push_next(&mut vulkan_12)
                .push_next(&mut robustness)
                .push_next(&mut executable);
            let device = instance.create_device(physical, &description, None).with_context(|| name.clone())?;
            let executables = khr::pipeline_executable_properties::Device::new(&instance, &device);
            Ok(Self { name, device, executables, _instance: instance, _entry: entry })
        }
    }

    /// Compiles a shader that has a uniform at binding 0, with a dynamic offset, and `buffers` storage buffers after it.
    ///
    /// # Errors
    /// What the driver reports.
    pub fn compile(&self, spirv: &[u32], buffers: usize) -> Result<Compiled> {
        let kinds = [vk::DescriptorType::UNIFORM_BUFFER_DYNAMIC]
            .into_iter()
            .chain(std::iter::repeat_n(vk::DescriptorType::STORAGE_BUFFER, buffers));
        let bindings: Vec<_> = (0..)
            .zip(kinds)
            .map(|(binding, kind)| {
                vk::DescriptorSetLayoutBinding::default()
                    .binding(binding)
                    .descriptor_type(kind)
                    .descriptor_count(1)
                    .stage_flags(vk::ShaderStageFlags::COMPUTE)
            })
            .collect();
        // SAFETY: the SPIR-V is naga's, and the layout has a binding for each of its variables. Of a statistic the field that
        // its format names is read. What is made here lives until the process ends, as the program compiles a few hundred
        // shaders and is done.
        unsafe {
            let set = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [self.device.create_descriptor_set_layout(&set, None)?];
            let layout = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets);
            let layout = self.device.create_pipeline_layout(&layout, None)?;
            let module = self.device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(spirv), None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main");
            let flags = vk::PipelineCreateFlags::CAPTURE_STATISTICS_KHR
                | vk::PipelineCreateFlags::CAPTURE_INTERNAL_REPRESENTATIONS_KHR;
            let description = [vk::ComputePipelineCreateInfo::default().layout(layout).stage(stage).flags(flags)];
            let pipelines = self.device.create_compute_pipelines(vk::PipelineCache::null(), &description, None);
            let pipeline = pipelines.map_err(|(_, error)| error).context("no pipeline")?[0];
            let executable = vk::PipelineExecutableInfoKHR::default().pipeline(pipeline).executable_index(0);
            let statistics = self.executables.get_pipeline_executable_statistics(&executable)?;
            let integers = statistics.iter().filter(|known| known.format == INTEGER);
            let statistics = integers.map(|known| (text(&known.name), known.value.u64)).collect();
            Ok(Compiled { statistics, assembly: self.assembly(&executable)? })
        }
    }

    /// # Safety
    /// `executable` must name a pipeline of this device that captured its representations.
    unsafe fn assembly(&self, executable: &vk::PipelineExecutableInfoKHR<'_>) -> Result<String> {
        let get = self.executables.fp().get_pipeline_executable_internal_representations_khr;
        // SAFETY: as promised; each text has the length that the driver gave, and there are as many parts as it said.
        unsafe {
            let mut parts = self.executables.get_pipeline_executable_internal_representations(executable)?;
            let mut count = parts.len() as u32;
            let mut texts: Vec<Vec<u8>> = parts.iter().map(|part| vec![0; part.data_size]).collect();
            for (part, text) in parts.iter_mut().zip(&mut texts) {
                part.p_data = text.as_mut_ptr().cast();
            }
            get(self.executables.device(), executable, &mut count, parts.as_mut_ptr()).result()?;
            let found = parts.iter().zip(texts).find(|(part, _)| text(&part.name).contains("Assembly"));
            let (_, bytes) = found.context("the driver does not tell the machine code")?;
            Ok(String::from_utf8_lossy(&bytes).trim_end_matches('\0').to_owned())
        }
    }
}

/// A name that the driver gave in an array that ends with a zero.
fn text(name: &[c_char]) -> String {
    let bytes: Vec<u8> = name.iter().map(|character| *character as u8).collect();
    CStr::from_bytes_until_nul(&bytes).map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
