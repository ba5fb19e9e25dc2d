#!/usr/bin/env bash
# Runs every test: kernels on the CPU and on a software Vulkan adapter, the model against PyTorch's
# numbers, training, and the programs from end to end. Arguments go to `cargo test`.
#
#   KERNEL_TEST_ADAPTER=NAME      test on the adapter with NAME in its name, not on llvmpipe
#   KERNEL_TESTS_WITHOUT_GPU=1    test the CPU alone; what is skipped is said
#   PROPTEST_CASES=NUMBER         random cases of each kernel on each device, in place of a few dozen
set -euo pipefail
cd "$(dirname "$0")"

# Mesa would print a complaint for every device opened where there is no desktop.
export NODEVICE_SELECT=1

adapter="${KERNEL_TEST_ADAPTER:-llvmpipe}"

found() {
    "${CARGO_TARGET_DIR:-target}/debug/sampler" --list-devices | grep --ignore-case -- "$adapter" >/dev/null
}

install_llvmpipe() {
    command -v apt-get >/dev/null || return 1
    local sudo=""
    if [ "$(id -u)" -ne 0 ]; then
        sudo="sudo --non-interactive"
        $sudo true 2>/dev/null || return 1
    fi
    echo "installing mesa-vulkan-drivers, the software Vulkan adapter that the kernels are tested on"
    $sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq mesa-vulkan-drivers libvulkan1
}

# Of the whole workspace, so that dependencies are built once, with the features that the tests need.
cargo build --workspace --bin sampler
if [ "${KERNEL_TESTS_WITHOUT_GPU:-}" != 1 ] && ! found; then
    if [ "$adapter" != llvmpipe ] || ! install_llvmpipe || ! found; then
        echo "no adapter with \"$adapter\" in its name was found, and half of the kernel tests need one." >&2
        echo "Install a software Vulkan driver (Debian, Ubuntu: apt install mesa-vulkan-drivers libvulkan1;" >&2
        echo "Fedora: mesa-vulkan-drivers; Arch: vulkan-swrast), or name another adapter in KERNEL_TEST_ADAPTER," >&2
        echo "or set KERNEL_TESTS_WITHOUT_GPU=1 to test the CPU alone." >&2
        exit 1
    fi
fi

exec cargo test --workspace "$@"
