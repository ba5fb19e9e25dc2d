//! Links every `shaders/*.wgsl` with what it imports into plain WGSL, and validates it.

use std::path::Path;
use std::{env, fs};

use naga::valid::{Capabilities, ValidationFlags, Validator};
use wesl::syntax::{ModulePath, PathOrigin};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // As it is now, not as it was when this script was compiled: a copied target folder still has the old path.
    let shaders = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../shaders");
    let out = env::var("OUT_DIR")?;
    println!("cargo::rerun-if-changed={}", shaders.display());
    let mut compiler = wesl::Wesl::new(&shaders);
    // Validation is left to naga, which knows of cooperative matrices.
    compiler.set_options(wesl::CompileOptions { strip: true, validate: false, ..Default::default() });
    compiler.set_mangler(wesl::ManglerKind::Escape);
    for entry in fs::read_dir(&shaders)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "wgsl") {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a shader's name is not UTF-8")?;
        let module = ModulePath::new(PathOrigin::Absolute, vec![stem.to_owned()]);
        let linked = compiler.compile(&module).map_err(|error| format!("{}: {error}", path.display()))?.to_string();
        validate(&linked).map_err(|error| format!("{}: {error}", path.display()))?;
        fs::write(Path::new(&out).join(format!("{stem}.wgsl")), linked)?;
    }
    Ok(())
}

fn validate(source: &str) -> Result<(), String> {
    let module = naga::front::wgsl::parse_str(source).map_err(|error| error.emit_to_string(source))?;
    // What variants ask a device for is beyond what WebGPU has everywhere.
    let optional = Capabilities::SUBGROUP
        | Capabilities::SHADER_FLOAT16
        | Capabilities::COOPERATIVE_MATRIX
        | Capabilities::SHADER_INT64;
    Validator::new(ValidationFlags::all(), optional)
        .validate(&module)
        .map(|_| ())
        .map_err(|error| error.emit_to_string(source))
}
