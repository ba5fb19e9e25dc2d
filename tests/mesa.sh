#!/usr/bin/env bash
# Runs a command on the newer llvmpipe that tests/tools.sh fetches, with the C library that it needs in place
# of the system's. Works as a runner of cargo's:
#
#   tests/mesa.sh PROGRAM [ARGUMENT...]
#   CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER="$PWD/tests/mesa.sh" cargo test ...
set -euo pipefail

mesa="$(dirname "$(realpath "$0")")/../target/tools/mesa"
libraries="$(realpath "$mesa")/usr/lib/x86_64-linux-gnu"
# Older Vulkan loaders know the driver's second name.
export VK_DRIVER_FILES="$mesa/lvp_icd.json" VK_ICD_FILENAMES="$mesa/lvp_icd.json"
exec "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$@"
