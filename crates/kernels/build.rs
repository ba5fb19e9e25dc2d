//! Links every `shaders/*.wgsl` with what it imports into plain WGSL, and validates it.

use std::path::Path;
use std::{env, fs};

mod link;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // As it is now, not as it was when this script was compiled: a copied target folder still has the old path.
    let shaders = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../shaders");
    let out = env::var("OUT_DIR")?;
    println!("cargo::rerun-if-changed={}", shaders.display());
    for entry in fs::read_dir(&shaders)? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "wgsl") {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).ok_or("a shader's name is not UTF-8")?;
        let linked =
            link::link(wesl::Wesl::new(&shaders), stem).map_err(|error| format!("{}: {error}", path.display()))?;
        let linked = linked.to_string();
        link::validate(&linked).map_err(|error| format!("{}: {error}", path.display()))?;
        fs::write(Path::new(&out).join(format!("{stem}.wgsl")), linked)?;
    }
    Ok(())
}
