//! HLSL, and what Microsoft's compiler makes of it: of the kernels that every device runs, since shader model
//! 6.0 has no 16-bit floats, and no HLSL of naga's has cooperative matrices.

use std::io;

use tests::harness::report_skip;
use tests::languages::{Dxc, Hlsl, Needs, Registers, Tally, for_each_module, spirv_val};

#[test]
fn checked_hlsl_becomes_valid_dxil() {
    hlsl_becomes_valid_dxil(true);
}

#[test]
fn trusted_hlsl_becomes_valid_dxil() {
    hlsl_becomes_valid_dxil(false);
}

fn hlsl_becomes_valid_dxil(checked: bool) {
    let (dxc, mut written, mut compiled) = (Dxc::find(), Tally::default(), Tally::default());
    for_each_module(Needs::WideIntegers, |kernel, module, info, case| {
        let hlsl = Hlsl { registers: Registers::DirectX, checked }.write(kernel, module, info);
        let hlsl = hlsl.unwrap_or_else(|error| panic!("{case}: {error}"));
        written.accepted(kernel.name);
        if let Some(dxc) = dxc {
            dxc.dxil(&hlsl).unwrap_or_else(|error| panic!("{case}: {error}\n{hlsl}"));
            compiled.accepted(kernel.name);
        }
    });
    let checks = if checked { "checked" } else { "trusted" };
    written.record("naga (HLSL)", &format!("{checks} HLSL"));
    match dxc {
        Some(dxc) => compiled.record(&format!("{} (DXIL)", dxc.name), &format!("{checks} HLSL of naga")),
        None => report_skip("no DXC (tests/tools.sh fetches it), so the HLSL was not compiled"),
    }
}

/// What `KERNEL_TEST_SHADERS=hlsl` runs.
#[test]
fn hlsl_becomes_valid_spirv() {
    let Some(dxc) = Dxc::find() else {
        return report_skip("no DXC (tests/tools.sh fetches it), so no SPIR-V was made of the HLSL");
    };
    let (mut tally, mut skipped) = (Tally::default(), 0);
    for_each_module(Needs::WideIntegers, |kernel, module, info, case| {
        let hlsl = Hlsl { registers: Registers::Vulkan, checked: true }.write(kernel, module, info);
        let hlsl = hlsl.unwrap_or_else(|error| panic!("{case}: {error}"));
        let words = dxc.spirv(&hlsl).unwrap_or_else(|error| panic!("{case}: {error}\n{hlsl}"));
        match spirv_val(&words) {
            Ok(complaints) => assert!(complaints.is_empty(), "{case}: {complaints}"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return skipped += 1,
            Err(error) => panic!("spirv-val: {error}"),
        }
        tally.accepted(kernel.name);
    });
    tally.record("spirv-val", &format!("SPIR-V of {}", dxc.name));
    if skipped > 0 {
        report_skip(format_args!("no spirv-val (Debian: spirv-tools), so {skipped} modules were not validated"));
    }
}

/// Or its silence would say nothing.
#[test]
fn the_compiler_and_the_validator_refuse_what_is_wrong() {
    let Some(dxc) = Dxc::find() else {
        return report_skip("no DXC (tests/tools.sh fetches it), so it was not seen to refuse anything");
    };
    let main =
        |body| format!("RWByteAddressBuffer out0 : register(u0);\n[numthreads(1, 1, 1)] void main() {{ {body} }}");
    let dxil = dxc.dxil(&main("out0.Store(0, 1);")).unwrap();
    let error = dxc.dxil(&main("out0.Store(0, undeclared);")).unwrap_err();
    assert!(error.contains("undeclared"), "{error}");
    assert!(dxc.spirv(&main("out0.Store(0, undeclared);")).is_err());
    let mut broken = dxil;
    let middle = broken.len() / 2;
    broken[middle..].fill(0);
    assert!(dxc.validate(&broken).is_err());
}
