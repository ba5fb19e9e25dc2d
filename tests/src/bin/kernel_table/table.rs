//! The page: a table of kernels and backends, and why each tolerance is what it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use kernels::REGISTRY;
use tests::harness::{Kind, Observation};

const INTRODUCTION: &str = "\
# The kernels, and what shows that they are right

Each kernel has two bodies, WGSL and Rust, and both answer to a naive f64 oracle (`tests/src/oracle`).
This page is written by a program from what the tests recorded:

```
tests/backends.sh
```

A cell under a backend is the worst of all comparisons there: the largest difference from the oracle as a part of
the largest number expected (where all are below 1e-30, the difference itself), and in brackets the largest share of what the tolerance allows, with 100 % the
most that passes. (Where a case is a single number near zero, such as GELU's slope at -8, all of it may be lost and
allowed for: 1.0e0.) *Gradient*, in the rows of the kernels that compute one, is the same against differences. *Languages* are the tools that
accepted the shader with every set of constants that launches use.

";

/// How the reasons begin that are those of the kernel's other cases.
const AS_ELSEWHERE: &str = "as for other values";

/// Shapes that are listed of a kernel, at most.
const SHAPES: usize = 30;

/// A column for each device that a value was compared on.
pub fn page(observations: &[Observation], shaders: &Path) -> Result<String> {
    let devices: BTreeSet<(u8, &str)> =
        of_kind(observations, Kind::Value).map(|seen| (order(&seen.device), seen.device.as_str())).collect();
    if devices.is_empty() {
        bail!("there is no comparison among the records; run the kernel tests with KERNEL_OBSERVATIONS first");
    }
    let mut page = INTRODUCTION.to_owned();
    let headers: Vec<String> = devices.iter().map(|(_, device)| heading(device)).collect();
    writeln!(page, "| kernel | computes | tested | {} | gradient | languages |", headers.join(" | "))?;
    writeln!(page, "|{}", "---|".repeat(devices.len() + 5))?;
    for kernel in REGISTRY {
        let of_kernel: Vec<_> = observations.iter().filter(|seen| seen.kernel == kernel.name).cloned().collect();
        let values: Vec<_> = of_kind(&of_kernel, Kind::Value).collect();
        if values.is_empty() {
            bail!("the records say nothing about {}", kernel.name);
        }
        let columns: Vec<String> = devices
            .iter()
            .map(|(_, device)| worst(values.iter().copied().filter(|seen| seen.device == *device)))
            .collect();
        writeln!(
            page,
            "| [{name}](../shaders/{name}.wgsl) | {} | {} | {} | {} | {} |",
            purpose(&shaders.join(kernel.name).with_extension("wgsl"))?,
            tested(&values),
            columns.join(" | "),
            worst(of_kind(&of_kernel, Kind::Gradient)),
            languages(&of_kernel),
            name = kernel.name,
        )?;
    }
    page.push_str("\n## Shapes\n\n");
    for kernel in REGISTRY {
        let of_kernel = of_kind(observations, Kind::Value).filter(|seen| seen.kernel == kernel.name);
        writeln!(page, "- `{}`: {}", kernel.name, shapes(of_kernel))?;
    }
    page.push_str("\n## Why a tolerance is no smaller\n\n");
    for kernel in REGISTRY {
        let of_kernel = observations.iter().filter(|seen| seen.kernel == kernel.name && seen.kind != Kind::Language);
        let reasons = of_kernel.map(|seen| seen.reason.as_str());
        let reasons: BTreeSet<&str> = reasons.filter(|reason| !reason.starts_with(AS_ELSEWHERE)).collect();
        writeln!(page, "- `{}`: {}.", kernel.name, reasons.into_iter().collect::<Vec<_>>().join("; "))?;
    }
    Ok(page)
}

fn of_kind(observations: &[Observation], kind: Kind) -> impl Iterator<Item = &Observation> {
    observations.iter().filter(move |seen| seen.kind == kind)
}

/// The CPU first, then llvmpipe as it comes, then the rest.
fn order(device: &str) -> u8 {
    ["CPU", "llvmpipe"].iter().position(|name| device.starts_with(name)).map_or(2, |place| place as u8)
}

/// A device's name without what all software adapters under Vulkan share.
fn heading(device: &str) -> String {
    let name = device.replace(" (vulkan, software)", "");
    match name.starts_with("CPU") {
        true => "CPU".into(),
        false => name,
    }
}

/// The first sentence of the comment that opens a shader, which ends in a full stop or a colon.
fn purpose(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let lines: Vec<_> = text.lines().map_while(|line| line.strip_prefix("// ")).collect();
    let text = lines.join(" ").replace('|', "\\|");
    let end = [". ", ": "].iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    Ok(text[..end].trim_end_matches(['.', ':']).to_owned())
}

/// How many cases, and the smallest and largest of them.
fn tested(values: &[&Observation]) -> String {
    let cases: BTreeMap<&str, usize> = values.iter().map(|seen| (seen.case.as_str(), seen.elements)).collect();
    let elements = cases.values();
    match (elements.clone().min(), elements.max()) {
        (Some(least), Some(most)) if least < most => {
            format!("{} cases of {} to {} numbers", cases.len(), grouped(*least), grouped(*most))
        }
        (Some(all), _) => format!("{} cases of {}", cases.len(), grouped(*all)),
        _ => String::new(),
    }
}

/// The shapes of cases, the smaller first: all of them, or every so many.
fn shapes<'a>(values: impl Iterator<Item = &'a Observation>) -> String {
    let mut largest = BTreeMap::new();
    for seen in values {
        if let Some(shape) = shape(&seen.case) {
            let elements = largest.entry(shape).or_insert(0);
            *elements = seen.elements.max(*elements);
        }
    }
    let mut shapes: Vec<(usize, &str)> = largest.into_iter().map(|(shape, elements)| (elements, shape)).collect();
    shapes.sort_unstable();
    let shown: Vec<&str> =
        shapes.iter().step_by(shapes.len().div_ceil(SHAPES).max(1)).map(|(_, shape)| *shape).collect();
    match shapes.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{}, and {more} more", shown.join(", ")),
    }
}

/// What a case says between its first brackets or braces.
fn shape(case: &str) -> Option<&str> {
    let start = case.find(['(', '[', '{'])?;
    let end = start + case[start..].find([')', ']', '}'])?;
    Some(&case[start..=end])
}

fn worst<'a>(observations: impl Iterator<Item = &'a Observation>) -> String {
    let worst = observations.fold(None, |worst: Option<(f64, f64)>, seen| {
        let (error, share) = worst.unwrap_or_default();
        Some((error.max(seen.error), share.max(seen.share)))
    });
    match worst {
        None => "–".into(),
        Some((0.0, _)) => "exact".into(),
        Some((error, share)) => format!("{error:.1e} ({:.0} %)", 100.0 * share),
    }
}

fn languages(observations: &[Observation]) -> String {
    let tools: BTreeSet<&str> = of_kind(observations, Kind::Language).map(|seen| seen.device.as_str()).collect();
    if tools.is_empty() { "–".into() } else { tools.into_iter().collect::<Vec<_>>().join(", ") }
}

/// 4194317 as 4,194,317.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(|group| String::from_utf8_lossy(group).into_owned());
    groups.collect::<Vec<_>>().join(",")
}
