//! How shaders become plain WGSL: the build script's, and the mutation check's (`crates/mutation`).

use naga::valid::{Capabilities, ValidationFlags, Validator};
use wesl::syntax::{DeclarationKind, GlobalDeclaration, ModulePath, PathOrigin};
use wesl::{CompileOptions, CompileResult, Error, ManglerKind, Resolver, Wesl};

/// A shader, or what shaders share, by its path in `shaders/` without its ending.
pub fn module(path: &str) -> ModulePath {
    ModulePath::new(PathOrigin::Absolute, path.split('/').map(str::to_owned).collect())
}

/// A shader with what it imports.
///
/// # Errors
/// What the linker says of a text that it cannot read, or an import that it does not find.
pub fn link<R: Resolver>(mut compiler: Wesl<R>, path: &str) -> Result<CompileResult, Error> {
    // Validation is left to naga, which knows of cooperative matrices.
    compiler.set_options(CompileOptions { strip: true, validate: false, ..Default::default() });
    // Names stay as they are: naga would complain of two that are the same.
    compiler.set_mangler(ManglerKind::None);
    let mut linked = compiler.compile(&module(path))?;
    // Overrides first: naga 30 panics at one behind an array whose size an override decides.
    linked.syntax.global_declarations.sort_by_key(|declaration| {
        !matches!(&**declaration, GlobalDeclaration::Declaration(it) if it.kind == DeclarationKind::Override)
    });
    Ok(linked)
}

/// What naga has against a linked shader.
///
/// # Errors
/// Its complaint, with the lines that it is about.
pub fn validate(linked: &str) -> Result<(), String> {
    let module = naga::front::wgsl::parse_str(linked).map_err(|error| error.emit_to_string(linked))?;
    // What variants ask a device for is beyond what WebGPU has everywhere.
    let optional = Capabilities::SUBGROUP
        | Capabilities::SHADER_FLOAT16
        | Capabilities::COOPERATIVE_MATRIX
        | Capabilities::SHADER_INT64;
    let mut validator = Validator::new(ValidationFlags::all(), optional);
    validator.validate(&module).map(drop).map_err(|error| error.emit_to_string(linked))
}
