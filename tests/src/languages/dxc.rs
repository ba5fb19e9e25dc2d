//! Microsoft's HLSL compiler, which wgpu hands its HLSL to on Windows.

use std::env;
use std::fmt;
use std::path::PathBuf;
use std::sync::OnceLock;

use hassle_rs::{DxcBlob, DxcLibrary, DxcOperationResult, Dxil, HassleError};

use super::{ENTRY, tool};

/// Names the library, where `tests/tools.sh` did not fetch it.
const LIBRARY: &str = "DXC_LIBRARY";

/// The compiler. There is one in a process, since its library cannot be unloaded.
pub struct Dxc {
    compiler: hassle_rs::Dxc,
    validator: Dxil,
    /// For example `DXC 1.8`.
    pub name: String,
}

impl fmt::Debug for Dxc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Dxc {
    /// The compiler, if it is there.
    ///
    /// # Panics
    /// Where its library is there but does not load.
    pub fn find() -> Option<&'static Self> {
        static DXC: OnceLock<Option<Dxc>> = OnceLock::new();
        DXC.get_or_init(|| {
            let library = env::var_os(LIBRARY).map(PathBuf::from);
            let library = library.or_else(|| tool("dxc/libdxcompiler.so"))?;
            Some(Self::load(library).unwrap_or_else(|error| panic!("DXC: {error}")))
        })
        .as_ref()
    }

    fn load(library: PathBuf) -> Result<Self, HassleError> {
        let compiler = hassle_rs::Dxc::new(Some(library.clone()))?;
        // The library has the validator in it too.
        let validator = Dxil::new(Some(library))?;
        let (major, minor) = validator.create_validator()?.version()?;
        Ok(Self { compiler, validator, name: format!("DXC {major}.{minor}") })
    }

    /// DXIL for a shader, validated; with the options that wgpu gives.
    ///
    /// # Errors
    /// What the compiler or the validator has against it.
    pub fn dxil(&self, source: &str) -> Result<Vec<u8>, String> {
        let dxil = self.compile(source, &[]).map_err(|error| error.to_string())?;
        self.validate(&dxil)?;
        Ok(dxil)
    }

    /// SPIR-V for a shader.
    ///
    /// # Errors
    /// What the compiler has against it.
    pub fn spirv(&self, source: &str) -> Result<Vec<u32>, String> {
        // Blocks are laid out as DirectX does, which is how naga writes them.
        let options = ["-spirv", "-fspv-target-env=vulkan1.1", "-fvk-use-dx-layout"];
        let bytes = self.compile(source, &options).map_err(|error| error.to_string())?;
        Ok(bytemuck::pod_collect_to_vec(&bytes))
    }

    fn compile(&self, source: &str, options: &[&str]) -> Result<Vec<u8>, HassleError> {
        let options: Vec<&str> = ["-HV", "2018", "-no-warnings", "-Ges"].iter().chain(options).copied().collect();
        let library = self.compiler.create_library()?;
        let text = library.create_blob_with_encoding_from_str(source)?;
        let compiled =
            self.compiler.create_compiler()?.compile(&text, "kernel.hlsl", ENTRY.1, "cs_6_0", &options, None, &[]);
        match compiled {
            Ok(result) => Ok(result.get_result()?.to_vec()),
            Err((result, _)) => Err(HassleError::CompileError(complaint(&library, &result)?)),
        }
    }

    /// Whether DirectX would take this for DXIL.
    ///
    /// # Errors
    /// What the validator has against it.
    pub fn validate(&self, dxil: &[u8]) -> Result<(), String> {
        let validated = || {
            let library = self.compiler.create_library()?;
            let blob = library.create_blob_with_encoding(dxil)?;
            match self.validator.create_validator()?.validate(blob.into()) {
                Ok(_) => Ok(()),
                Err((result, _)) => Err(HassleError::ValidationError(complaint(&library, &result)?)),
            }
        };
        validated().map_err(|error| error.to_string())
    }
}

fn complaint(library: &DxcLibrary, result: &DxcOperationResult) -> Result<String, HassleError> {
    library.get_blob_as_string(&DxcBlob::from(result.get_error_buffer()?))
}
