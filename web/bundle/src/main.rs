//! Builds the page's WebAssembly, and puts it with weights, scripts and markup into one file that any browser opens: `cargo run`
//! in the folder `web` writes `digits.html` there.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use base64::prelude::{BASE64_STANDARD, Engine};
use wasm_bindgen_cli_support::Bindgen;

const TARGET: &str = "wasm32-unknown-unknown";

fn main() -> Result<()> {
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("this package lies in a folder")?;
    let wasm = build(web)?;

    let glue = tempfile::tempdir()?;
    let mut bindgen = Bindgen::new();
    bindgen
        .input_path(wasm)
        .no_modules(true)?
        .typescript(false)
        .remove_name_section(true)
        .out_name("page")
        .generate(glue.path())?;
    let glue_script = fs::read_to_string(glue.path().join("page.js"))?;
    let wasm = fs::read(glue.path().join("page_bg.wasm"))?;

    let read = |name: &str| fs::read_to_string(web.join("page").join(name)).with_context(|| format!("reading {name}"));
    // Ends no script element, whatever is in it.
    let text = |text: &str| anyhow::Ok(serde_json::to_string(text)?.replace("</", "<\\/"));
    let page = read("index.html")?
        .replace("{{worker}}", &text(&format!("{glue_script}\n{}", read("worker.js")?))?)
        .replace("{{wasm}}", &text(&BASE64_STANDARD.encode(wasm))?)
        .replace("{{page}}", &read("page.js")?);
    let out = web.join("digits.html");
    fs::write(&out, &page).with_context(|| format!("writing {}", out.display()))?;
    println!("{}: {:.1} MiB; open it in a browser", out.display(), page.len() as f64 / 1_048_576.0);
    Ok(())
}

/// Builds the page's code, and tells where it is.
fn build(web: &Path) -> Result<std::path::PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target_dir = env::var_os("CARGO_TARGET_DIR").map_or_else(|| web.join("target"), Into::into);
    let status = Command::new(cargo)
        .current_dir(web)
        .args(["build", "--release", "--package", "page", "--target", TARGET])
        .env("CARGO_TARGET_DIR", &target_dir)
        // Vectors of 128 bits, which every browser of the last years has.
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Ctarget-feature=+simd128")
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "the page did not build; if the target is missing: rustup target add {TARGET}");
    Ok(target_dir.join(TARGET).join("release/page.wasm"))
}
