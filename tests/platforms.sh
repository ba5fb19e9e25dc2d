#!/usr/bin/env bash
# Type-checks the workspace for Windows and macOS: wgpu's DirectX 12 and Metal backends, and what our own
# code does there. Nothing is linked or run, so no machine of theirs is needed.
#
# Where rustup has the targets, or can add them, this is `rustup target add` and `cargo check`. Where it
# cannot, Debian's Rust compiles the standard library for the target from source first (packages
# rustc-web, cargo-web, rust-web-src, and binutils-mingw-w64-x86-64 for Windows' import libraries).
#
#   tests/platforms.sh [TARGET...]
#
#   BACKENDS_REQUIRED=1    a target that cannot be checked is a failure, not a skip
set -euo pipefail
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    set -- x86_64-pc-windows-gnu aarch64-apple-darwin
fi
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

added_by_rustup() {
    command -v rustup >/dev/null || return 1
    rustup target list --installed | grep --quiet --line-regexp -- "$1" || rustup target add "$1" >"$log" 2>&1
}

debian_can_build() {
    [ -x /usr/bin/cargo ] && [ -x /usr/bin/rustc ] || return 1
    [ -d "$(/usr/bin/rustc --print sysroot)/lib/rustlib/src/rust/library" ] || return 1
    case "$1" in
        *-windows-gnu) command -v x86_64-w64-mingw32-dlltool >/dev/null ;;
    esac
}

check_with_rustup() {
    cargo check --quiet --workspace --target "$1" --target-dir target/platforms
}

# The switch that builds the standard library is unstable, but Debian's compiler obeys this variable.
check_with_debian() {
    PATH=/usr/bin:/bin RUSTC_BOOTSTRAP=1 cargo check --quiet --workspace --target "$1" \
        -Zbuild-std=std,panic_abort --target-dir target/platforms-debian
}

for target; do
    if added_by_rustup "$target"; then
        check_with_rustup "$target"
    elif debian_can_build "$target"; then
        check_with_debian "$target"
    else
        echo "SKIPPED: $target: rustup cannot add it, and Debian's Rust and its source are not there" >&2
        [ "${BACKENDS_REQUIRED:-}" != 1 ] || exit 1
        continue
    fi
    echo "$target: type-checks"
done
