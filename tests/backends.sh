#!/usr/bin/env bash
# Runs every kernel against its oracle on every backend that needs no hardware, and has its shader
# compiled for those that do; then writes docs/kernels.md from what was recorded. What a machine lacks
# is said to be SKIPPED, and the page is not written.
#
#   tests/backends.sh            all of these; tests/tools.sh fetches what they need
#   tests/backends.sh PART...    checked      llvmpipe, with wgpu's checks in the shaders, and the CPU bodies
#                                trusted      llvmpipe, without these checks
#                                hardware     llvmpipe taken for hardware: the whole model's tests, with the variants
#                                             of kernels that GPUs get
#                                narrow       llvmpipe with vectors of 128 bits: subgroups of 4
#                                wide         llvmpipe with vectors of 512 bits: subgroups of 16
#                                hlsl         llvmpipe, on SPIR-V that Microsoft's compiler made of naga's HLSL
#                                swiftshader  SwiftShader, the software adapter of Chromium
#                                             (these two run kernels and the whole model)
#                                mesa         the llvmpipe of a newer Mesa, which has cooperative matrices
#                                languages    SPIR-V, HLSL, DXIL and MSL
#                                tint         Tint, Chromium's WGSL compiler
#                                radeon       Mesa's compiler for AMD GPUs, which needs none: no kernel for GPUs may lack registers
#                                platforms    our code and wgpu's for Windows and macOS, type-checked
#                                browser      the pages of web/ in a headless Chromium, on the CPU and on its SwiftShader,
#                                             against the sampler's picture and the trainer's losses
#
#   BACKENDS_REQUIRED=1          what would be skipped is a failure
#   KERNEL_OBSERVATIONS=FOLDER   where comparisons are recorded, target/observations unless it is set
set -euo pipefail
cd "$(dirname "$0")/.."

# Mesa would print a complaint for every device opened where there is no desktop.
export NODEVICE_SELECT=1
export KERNEL_OBSERVATIONS="${KERNEL_OBSERVATIONS:-$PWD/target/observations}"
every_part=(checked trusted hardware narrow wide hlsl swiftshader mesa languages tint radeon platforms browser)
swiftshader="$PWD/target/tools/swiftshader/vk_swiftshader_icd.json"
skipped=()
# The whole workspace is built, here as in test.sh: parts of it would need dependencies with other features.
built="${CARGO_TARGET_DIR:-target}/debug"

skip() {
    echo "SKIPPED: $1: $2" >&2
    skipped+=("$1")
}

run() {
    cargo test --quiet --no-fail-fast --workspace "${@/#/--test=}"
}

part_checked() { run kernels gradients; }
part_languages() { run languages; }
part_platforms() { tests/platforms.sh; }

# The CPU bodies are the same in every part, and were run in the first.
part_trusted() { (export KERNEL_TESTS_WITHOUT_CPU=1 KERNEL_TEST_SHADERS=trusted && run kernels); }
part_hardware() { (export KERNEL_TESTS_WITHOUT_CPU=1 KERNEL_TEST_AS_HARDWARE=1 && run model); }
part_narrow() { (export KERNEL_TESTS_WITHOUT_CPU=1 LP_NATIVE_VECTOR_WIDTH=128 && run kernels); }
part_wide() { (export KERNEL_TESTS_WITHOUT_CPU=1 LP_NATIVE_VECTOR_WIDTH=512 && run kernels); }

part_hlsl() {
    if [ -z "${DXC_LIBRARY:-}" ] && [ ! -f target/tools/dxc/libdxcompiler.so ]; then
        skip hlsl "there is no DXC"
    else
        (export KERNEL_TESTS_WITHOUT_CPU=1 KERNEL_TEST_SHADERS=hlsl && run kernels model)
    fi
}

part_swiftshader() {
    if [ ! -f "$swiftshader" ]; then
        skip swiftshader "there is no SwiftShader"
    else
        # Older Vulkan loaders know the driver's second name.
        (
            export VK_DRIVER_FILES="$swiftshader" VK_ICD_FILENAMES="$swiftshader"
            export KERNEL_TESTS_WITHOUT_CPU=1 KERNEL_TEST_ADAPTER=SwiftShader
            run kernels model
        )
    fi
}

part_mesa() {
    if [ ! -f target/tools/mesa/lvp_icd.json ]; then
        skip mesa "there is no newer Mesa"
    else
        (
            export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="$PWD/tests/mesa.sh" KERNEL_TESTS_WITHOUT_CPU=1
            run kernels model
        )
    fi
}

part_tint() {
    if ! command -v node >/dev/null || [ ! -d target/tools/tint/node_modules ]; then
        skip tint "there is no Node.js, or no Dawn for it"
        return
    fi
    cargo build --quiet --workspace --example export-shaders
    "$built/examples/export-shaders" target/tools/shaders
    # Without a driver Tint still reads the shaders.
    (
        [ ! -f "$swiftshader" ] || export VK_DRIVER_FILES="$swiftshader"
        node tests/tint/check.mjs target/tools/shaders target/tools/tint/node_modules
    )
}

part_radeon() {
    cargo build --quiet --workspace --bin radeon --bin sampler
    local family
    for family in navi21 vega10; do
        if ! RADV_FORCE_FAMILY=$family "$built/sampler" --list-devices 2>/dev/null | grep RADV >/dev/null; then
            skip radeon "Mesa's driver for AMD GPUs is not installed, or too new to compile for one that is not there"
            return
        fi
        RADV_FORCE_FAMILY=$family "$built/radeon"
    done
}

part_browser() {
    local chromium modules=target/tools/playwright/node_modules
    chromium="${CHROMIUM:-$(command -v chromium || command -v google-chrome || true)}"
    if [ -z "$chromium" ] || ! command -v node >/dev/null || [ ! -d "$modules" ]; then
        skip browser "there is no Chromium, no Node.js, or no Playwright for it"
    elif ! rustup target add wasm32-unknown-unknown >/dev/null 2>&1; then
        skip browser "rustup cannot add the target wasm32-unknown-unknown"
    else
        cargo build --quiet --workspace --bin sampler --bin trainer
        cargo run --quiet --manifest-path web/Cargo.toml
        (
            scratch="$(mktemp -d)"
            trap 'rm -rf "$scratch"' EXIT
            "$built/sampler" --prompt 0123456789 --seed 3 --steps 8 --scale 1 --device cpu --out "$scratch/digits.png" >/dev/null
            "$built/trainer" --preset tiny --steps 8 --device cpu --out "$scratch/run" >/dev/null
            CHROMIUM="$chromium" node web/test/check.mjs "$scratch/digits.png" "$scratch/run/metrics.csv" "$modules"
        )
    fi
}

if [ $# -eq 0 ]; then
    set -- "${every_part[@]}"
    rm -f "$KERNEL_OBSERVATIONS"/*.jsonl
fi
for part; do
    if [[ " ${every_part[*]} " != *" $part "* ]]; then
        echo "tests/backends.sh: there is no part $part" >&2
        exit 2
    fi
done

echo "== the tools"
# What could not be fetched is skipped below, or a failure there.
tests/tools.sh || true

times=()
for part; do
    echo "== $part"
    start=$SECONDS
    "part_$part"
    times+=("$part $((SECONDS - start)) s")
done

echo "== $(printf '%s, ' "${times[@]}")together $SECONDS s"
if [ ${#skipped[@]} -ne 0 ]; then
    echo "SKIPPED: ${skipped[*]}" >&2
    [ "${BACKENDS_REQUIRED:-}" != 1 ] || exit 1
elif [ $# -eq ${#every_part[@]} ]; then
    cargo build --quiet --workspace --bin kernel-table
    "$built/kernel-table" "$KERNEL_OBSERVATIONS"
fi
