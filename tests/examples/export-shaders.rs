//! Writes each kernel's linked WGSL to `DIR/NAME.wgsl`, and to `DIR/constants.json` every set of
//! constants that launches give it: for compilers that are not Rust. Without those that need more than WebGPU has
//! everywhere: Tint wants `enable subgroups;` first, which naga does not read, Dawn opens no device with 16-bit floats
//! by default, and cooperative matrices are wgpu's own extension.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use kernels::REGISTRY;
use tests::languages::{Needs, constants, text};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args_os().nth(1).ok_or("usage: export-shaders DIR")?);
    fs::create_dir_all(&folder)?;
    let mut all: BTreeMap<&str, Vec<BTreeMap<&str, f64>>> = BTreeMap::new();
    for kernel in REGISTRY.iter().filter(|kernel| Needs::of(kernel) == Needs::Core) {
        fs::write(folder.join(kernel.name).with_extension("wgsl"), text(kernel))?;
        all.insert(kernel.name, constants(kernel).into_iter().map(|set| set.into_iter().collect()).collect());
    }
    fs::write(folder.join("constants.json"), serde_json::to_vec_pretty(&all)?)?;
    Ok(())
}
