//! Builds the pages' WebAssembly, and puts it with data, scripts and markup into a file for each page that any browser opens:
//! `cargo run` in the folder `web` writes `digits.html` and `training.html` there.

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
    let worker = format!("{glue_script}\n{}", read(web, "page/worker.js")?);
    // The text of a string in JavaScript, in which nothing ends the script element.
    let string = |text: &str| anyhow::Ok(serde_json::to_string(text)?.replace("</", "<\\/"));
    let file = |path: &Path| {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        string(&BASE64_STANDARD.encode(bytes))
    };
    let common = [
        ("{{worker}}", string(&worker)?),
        ("{{wasm}}", file(&glue.path().join("page_bg.wasm"))?),
        ("{{style}}", read(web, "page/style.css")?),
        ("{{common}}", read(web, "page/common.js")?),
    ];
    let mnist = |name: &str| file(&web.join("../data/mnist").join(name));
    let pages = [
        ("digits", vec![("{{weights}}", file(&web.join("../weights/mnist.safetensors"))?)]),
        (
            "training",
            vec![
                ("{{images}}", mnist("train-images-idx3-ubyte.gz")?),
                ("{{labels}}", mnist("train-labels-idx1-ubyte.gz")?),
            ],
        ),
    ];
    for (name, data) in pages {
        let script = ("{{page}}", read(web, &format!("page/{name}.js"))?);
        let mut page = read(web, &format!("page/{name}.html"))?;
        for (mark, text) in common.iter().chain(&data).chain([&script]) {
            page = page.replace(mark, text);
        }
        let out = web.join(name).with_extension("html");
        fs::write(&out, &page).with_context(|| format!("writing {}", out.display()))?;
        println!("{}: {:.1} MiB; open it in a browser", out.display(), page.len() as f64 / 1_048_576.0);
    }
    Ok(())
}

fn read(web: &Path, name: &str) -> Result<String> {
    fs::read_to_string(web.join(name)).with_context(|| format!("reading {name}"))
}

/// Builds the page's code, and tells where it is.
fn build(web: &Path) -> Result<std::path::PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target_dir = env::var_os("CARGO_TARGET_DIR").map_or_else(|| web.join("target"), Into::into);
    let status = Command::new(cargo)
        .args(["build", "--release", "--package", "page", "--target", TARGET, "--manifest-path"])
        .arg(web.join("Cargo.toml"))
        .env("CARGO_TARGET_DIR", &target_dir)
        // Vectors of 128 bits, which every browser of the last years has.
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS", "-Ctarget-feature=+simd128")
        .status()
        .context("starting cargo")?;
    ensure!(status.success(), "the page did not build; if the target is missing: rustup target add {TARGET}");
    Ok(target_dir.join(TARGET).join("release/page.wasm"))
}
