//! The program as it is used: what each mode measures, as JSON, and what it refuses.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use serde_json::Value as Json;
use tempfile::TempDir;
use tests::harness::devices;

fn bench(flags: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bench")).args(flags).env_remove("RUST_BACKTRACE").output().unwrap()
}

/// The flags of each device under test.
fn device_flags() -> Vec<Vec<String>> {
    let flags = |name: &str, value: &str| vec![name.to_owned(), value.to_owned()];
    let devices = devices().into_iter();
    devices.map(|device| device.adapter().map_or(flags("--device", "cpu"), |it| flags("--adapter", &it.name))).collect()
}

/// Runs a mode in its quick form, and gives what it wrote.
fn measure(mode: &str, device: &[String]) -> Json {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("all.json");
    let device: Vec<&str> = device.iter().map(String::as_str).collect();
    let output = bench(&[&[mode, "--quick", "--json", path.to_str().unwrap()], &device[..]].concat());
    assert!(output.status.success(), "{mode} {device:?}: {}", String::from_utf8_lossy(&output.stderr));
    let all: Json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(all["mode"], mode);
    assert!(!all["machine"]["device"].as_str().unwrap().is_empty());
    all
}

/// Every row of every table.
fn rows(all: &Json) -> Vec<&Json> {
    let tables = all["tables"].as_array().unwrap();
    tables.iter().flat_map(|table| table["rows"].as_array().unwrap()).collect()
}

fn positive(value: &Json) -> bool {
    value["median"].as_f64().is_some_and(|median| median > 0.0) && !value["samples"].as_array().unwrap().is_empty()
}

/// The kernel that a variant is of.
fn stem(name: &str) -> &str {
    if name.starts_with("matmul") {
        "matmul"
    } else {
        name.trim_end_matches("_subgroup").trim_end_matches("_quads").trim_end_matches("_pairs")
    }
}

/// Sums of two gradients, what only classifiers have (GELU's gradient in a kernel of its own is among it), and what other
/// times, steps and guidance than the usual ones take: the measured model has none of these.
const ELSEWHERE: [&str; 9] = [
    "add",
    "cross_entropy",
    "cross_entropy_backward",
    "gelu_backward",
    "guided_velocity",
    "logit_normal_time",
    "mean_pool",
    "mean_pool_backward",
    "scaled_error",
];

#[test]
fn every_kernel_is_measured_and_its_arithmetic_known() {
    let names = |kernels: &[&runtime::Kernel]| -> BTreeSet<&str> { kernels.iter().map(|kernel| kernel.name).collect() };
    let (registry, of_cpus) = (names(kernels::REGISTRY), names(kernels::CPU_KERNELS));
    for device in device_flags() {
        let all = measure("kernels", &device);
        let mut seen = BTreeSet::new();
        for row in rows(&all) {
            let name = row["kernel"].as_str().unwrap();
            assert!(positive(&row["time_µs"]), "{device:?}: {row}");
            let known = ["gflop_s", "gb_s"].iter().all(|key| row[key].as_f64().is_some_and(f64::is_finite));
            assert!(known, "{device:?}: src/work.rs says nothing of {name}: {row}");
            seen.insert(name);
        }
        seen.retain(|name| !of_cpus.contains(name));
        assert!(seen.is_subset(&registry), "{device:?}: {seen:?}");
        // A device takes one of a kernel's variants.
        let [known, measured] = [&registry, &seen].map(|names| names.iter().map(|name| stem(name)).collect());
        let (known, measured): (BTreeSet<&str>, BTreeSet<&str>) = (known, measured);
        let missing: Vec<_> = known.difference(&measured).collect();
        assert!(missing.iter().all(|name| ELSEWHERE.contains(name)), "{device:?}: {missing:?} were not measured");
    }
}

#[test]
fn a_step_is_more_than_its_kernels_and_their_shares_are_a_whole() {
    for device in device_flags() {
        let all = measure("step", &device);
        let value = |what: &str| {
            let row = rows(&all).into_iter().find(|row| row["what"] == what).unwrap()["value"].clone();
            row["median"].as_f64().or(row.as_f64()).unwrap_or_else(|| panic!("{device:?}: {what} is {row}"))
        };
        assert!(value("of that in kernels") <= value("step while profiled"), "{device:?}");
        assert!(value("device memory, peak in buffers") <= value("device memory, peak held"), "{device:?}");
        assert!(value("kernels") > 100.0 && value("images") > 0.0, "{device:?}");
        let shares: f64 = rows(&all).iter().filter_map(|row| row["share"].as_f64()).sum();
        assert!((shares - 100.0).abs() < 1e-6, "{device:?}: the shares add up to {shares}");
    }
}

#[test]
fn the_other_modes_measure_something() {
    let columns = [("sample", "time_s"), ("overhead", "time_µs"), ("roofline", "time_µs"), ("scale", "step_ms")];
    for device in device_flags() {
        for (mode, column) in columns {
            let all = measure(mode, &device);
            let measured: Vec<_> = rows(&all).into_iter().filter(|row| !row[column].is_null()).collect();
            assert!(!measured.is_empty(), "{mode} {device:?} has no {column}");
            assert!(measured.iter().all(|row| positive(&row[column])), "{mode} {device:?}: {measured:?}");
        }
    }
}

#[test]
fn what_cannot_be_meant_is_refused_in_a_sentence() {
    let folder = TempDir::new().unwrap();
    let folder = folder.path().to_str().unwrap();
    for (flags, status, word) in [
        (&["nothing"][..], 2, "nothing"),
        (&["step", "--batch", "0"], 2, "--batch"),
        (&["step", "--runs", "0"], 2, "--runs"),
        (&["step", "--preset", "huge"], 2, "huge"),
        (&["scale", "--depths", "2,none"], 2, "none"),
        (&["step", "--device", "cpu", "--adapter", "llvmpipe"], 2, "--adapter"),
        (&["step", "--device", "cpu", "--json", folder], 1, "directory"),
        (&["sample", "--device", "cpu", "--quick", "--guidance", "NaN"], 1, "--guidance"),
    ] {
        let output = bench(flags);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{flags:?}: {said}");
        let sentence = said.lines().find(|line| line.starts_with("error: ") && !line.contains("XDG_RUNTIME_DIR"));
        assert!(sentence.is_some_and(|line| line.contains(word)), "{flags:?}: {said}");
    }
}
