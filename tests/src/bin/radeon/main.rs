//! What the compiler of Mesa's driver for AMD GPUs (RADV) makes of each kernel: registers, memory of a workgroup, waves that
//! fit beside each other, and the machine code. It needs no such GPU: RADV takes the name of one from RADV_FORCE_FAMILY
//! (`navi21`, `vega10`, ...), and then compiles for it, though nothing can run. Debian 12's does (Mesa 22.3); the newest
//! versions do not any more.
#![allow(clippy::print_stdout)] // its output is what it is for

mod driver;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use naga::back::spv;
use naga::proc::{BoundsCheckPolicies, BoundsCheckPolicy};
use naga::valid::ModuleInfo;
use runtime::Kernel;
use tests::languages::{ENTRY, Needs, for_each_module};

use driver::{Compiled, Radeon};

/// Prints what Mesa's compiler for AMD GPUs makes of each kernel, for the GPU named in RADV_FORCE_FAMILY or the one that is
/// there. Fails where a kernel for GPUs needs more registers than there are.
#[derive(Debug, Parser)]
struct Arguments {
    /// Leave out wgpu's run-time checks, as `--trusted-shaders` does
    #[arg(long)]
    trusted: bool,
    /// Print the machine code of this kernel instead, for each set of its constants
    #[arg(long, value_name = "KERNEL")]
    code: Option<String>,
}

/// Variants that software adapters get, with tiles that fill the registers of a CPU.
const FOR_SOFTWARE: [&str; 11] = [
    "adamw_pairs",
    "attention_backward_subgroup",
    "attention_subgroup",
    "column_sum_pairs",
    "column_sum_quads",
    "gate_backward_pairs",
    "layer_norm_modulate_backward_pairs",
    "layer_norm_modulate_pairs",
    "matmul_register",
    "matmul_subgroup",
    "modulation_backward_pairs",
];

/// The worst of what a kernel's sets of constants gave.
#[derive(Debug, Default)]
struct Row {
    registers: u64,
    /// Registers that did not fit, and bytes of memory that an invocation has for these and for arrays.
    spilled: u64,
    private_bytes: u64,
    workgroup_bytes: u64,
    waves: u64,
    instructions: u64,
    /// Multiply-adds and instructions of the innermost loop, or what has most of them.
    multiply_adds: (usize, usize),
}

impl Row {
    fn add(&mut self, compiled: &Compiled) -> Result<()> {
        let of = |name| compiled.statistic(name);
        self.registers = self.registers.max(of("VGPRs")?);
        self.spilled = self.spilled.max(of("Spilled VGPRs")? + of("Spilled SGPRs")?);
        self.private_bytes = self.private_bytes.max(of("Scratch size")?);
        self.workgroup_bytes = self.workgroup_bytes.max(of("LDS size")?);
        let waves = of("Subgroups per SIMD")?;
        self.waves = if self.waves == 0 { waves } else { self.waves.min(waves) };
        self.instructions = self.instructions.max(of("Instructions")?);
        self.multiply_adds = self.multiply_adds.max(compiled.densest_block());
        Ok(())
    }
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let radeon = Radeon::open()?;
    let mut rows: BTreeMap<&'static str, Row> = BTreeMap::new();
    let mut failure = None;
    for_each_module(Needs::Half, |kernel, module, info, case| {
        if failure.is_some() || arguments.code.as_ref().is_some_and(|name| name != kernel.name) {
            return;
        }
        let added = compile(&radeon, arguments.trusted, kernel, module, info).and_then(|compiled| {
            if arguments.code.is_some() {
                println!("; {case}\n{}", compiled.assembly);
            }
            rows.entry(kernel.name).or_default().add(&compiled)
        });
        failure = added.with_context(|| case.to_owned()).err();
    });
    if let Some(error) = failure {
        return Err(error);
    }
    if let Some(name) = &arguments.code {
        anyhow::ensure!(!rows.is_empty(), "there is no kernel {name}, or it needs what this driver is not asked for");
        return Ok(ExitCode::SUCCESS);
    }
    print_table(&radeon.name, &rows);
    let in_memory = |row: &Row| row.spilled > 0 || row.private_bytes > 0;
    let slow = rows.iter().filter(|(name, row)| in_memory(row) && !FOR_SOFTWARE.contains(*name));
    let slow: Vec<_> = slow.map(|(name, _)| *name).collect();
    if slow.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("on {} these keep in memory what should be in registers: {}", radeon.name, slow.join(", "));
    Ok(ExitCode::FAILURE)
}

fn compile(
    radeon: &Radeon,
    trusted: bool,
    kernel: &Kernel,
    module: &naga::Module,
    info: &ModuleInfo,
) -> Result<Compiled> {
    let index = if trusted { BoundsCheckPolicy::Unchecked } else { BoundsCheckPolicy::Restrict };
    let unchecked = BoundsCheckPolicy::Unchecked;
    let options = spv::Options {
        lang_version: (1, 3),
        // Robust access to buffers is the driver's, as wgpu has it where the driver can.
        bounds_check_policies: BoundsCheckPolicies {
            index,
            buffer: unchecked,
            image_load: unchecked,
            binding_array: unchecked,
        },
        force_loop_bounding: !trusted,
        zero_initialize_workgroup_memory: spv::ZeroInitializeWorkgroupMemoryMode::None,
        ..Default::default()
    };
    let pipeline = spv::PipelineOptions { shader_stage: ENTRY.0, entry_point: ENTRY.1.into() };
    let words = spv::write_vec(module, info, &options, Some(&pipeline)).context("cannot be written as SPIR-V")?;
    radeon.compile(&words, kernel.bindings.len())
}

fn print_table(gpu: &str, rows: &BTreeMap<&'static str, Row>) {
    println!("{gpu}\n");
    println!(
        "| kernel | registers | spilled | private memory | workgroup memory | waves a SIMD | instructions | multiply-adds of the densest block |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (name, row) in rows {
        let (products, all) = row.multiply_adds;
        let density = if products >= 16 {
            format!("{products} of {all}, {:.0} %", 100.0 * products as f64 / all as f64)
        } else {
            "–".into()
        };
        let software = if FOR_SOFTWARE.contains(name) { " (for software adapters)" } else { "" };
        println!(
            "| {name}{software} | {} | {} | {} B | {} B | {} | {} | {density} |",
            row.registers, row.spilled, row.private_bytes, row.workgroup_bytes, row.waves, row.instructions
        );
    }
}
