#!/usr/bin/env bash
# Fetches the compilers and drivers that the shaders are checked with into target/tools, which git
# ignores: nothing is installed on the machine. What is there already stays; what cannot be fetched is
# said, and the others are fetched all the same. For Linux on x86-64.
#
#   tests/tools.sh               all of them
#   tests/tools.sh NAME...       dxc          Microsoft's HLSL compiler, out of a Python package (15 MB)
#                                swiftshader  a software Vulkan driver, out of Debian's Chromium (32 MB)
#                                mesa         a newer llvmpipe than the system's, with cooperative matrices, and the
#                                             C library that it needs, out of Debian's packages (70 MB)
#                                tint         Dawn, with the WGSL compiler of Chromium, out of npm (130 MB)
#                                playwright   what drives a browser that is on the machine, out of npm (10 MB)
#
#   DEB=FILE                     the package chromium-common, if it was downloaded otherwise
set -euo pipefail
cd "$(dirname "$0")/.."

tools="$PWD/target/tools"
mkdir -p "$tools"
scratch="$(mktemp -d "$tools/fetching.XXXXXX")"
trap 'rm -rf "$scratch"' EXIT

# The wheel is for one version of Python, but the compiler in it knows nothing of Python.
fetch_dxc() {
    [ -f "$tools/dxc/libdxcompiler.so" ] && return
    python3 -m pip download --quiet --no-deps --only-binary=:all: --python-version 3.11 \
        --platform manylinux_2_28_x86_64 --dest "$scratch" compushady-lrtu==0.18.0
    sha256sum --check --quiet <<<"b76371972f2543a1e83034a86c83cfad678dabf66be0b50b7d78edbcb1c98243  $(echo "$scratch"/compushady_lrtu-*.whl)"
    unpack="import sys, zipfile; sys.stdout.buffer.write(zipfile.ZipFile(sys.argv[1]).read(sys.argv[2]))"
    python3 -c "$unpack" "$scratch"/compushady_lrtu-*.whl compushady/backends/libdxcompiler_x86_64.so >"$scratch/dxc.so"
    mkdir -p "$tools/dxc"
    mv "$scratch/dxc.so" "$tools/dxc/libdxcompiler.so"
}

fetch_swiftshader() {
    [ -f "$tools/swiftshader/vk_swiftshader_icd.json" ] && return
    local deb="${DEB:-}"
    if [ -z "$deb" ]; then
        # apt's own user may not write here, which it would complain about.
        (cd "$scratch" && apt-get download -qq -o APT::Sandbox::User=root chromium-common)
        deb="$(echo "$scratch"/chromium-common_*.deb)"
    fi
    dpkg-deb --extract "$deb" "$scratch/chromium"
    mkdir -p "$tools/swiftshader"
    # The second file names the first, as being beside it.
    mv "$scratch/chromium/usr/lib/chromium/libvk_swiftshader.so" "$tools/swiftshader/"
    mv "$scratch/chromium/usr/lib/chromium/vk_swiftshader_icd.json" "$tools/swiftshader/"
}

# A Debian of its own in a folder, of which apt knows nothing else. Its programs are not run: tests/mesa.sh
# has its loader run ours.
fetch_mesa() {
    [ -f "$tools/mesa/lvp_icd.json" ] && return
    local packages="$scratch/packages" mirror options
    mkdir -p "$packages/lists/partial" "$packages/archives/partial" "$scratch/mesa"
    touch "$packages/status"
    # Debian 13 has Mesa 25.0, whose llvmpipe knows no cooperative matrices yet.
    # From where the system has its packages.
    mirror="$(apt-get indextargets --format '$(REPO_URI)' | grep -m 1 '/debian/*$')"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror sid main" >"$packages/sources.list"
    options=(-qq -o "Dir::Etc::SourceList=$packages/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::Cache=$packages"
        -o "Dir::State::Lists=$packages/lists" -o "Dir::State::Status=$packages/status"
        -o APT::Architecture=amd64 -o APT::Install-Recommends=0 -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update
    apt-get "${options[@]}" --yes --download-only install mesa-vulkan-drivers libvulkan1 libc6 >/dev/null
    for deb in "$packages"/archives/*.deb; do
        dpkg-deb --extract "$deb" "$scratch/mesa"
    done
    rm -rf "$tools/mesa"
    mv "$scratch/mesa" "$tools/mesa"
    # Last, so that it stands for all the rest. The driver is named with its place, which the loader would not find.
    sed "s#\"library_path\": *\"[^\"]*\"#\"library_path\": \"$tools/mesa/usr/lib/x86_64-linux-gnu/libvulkan_lvp.so\"#" \
        "$tools"/mesa/usr/share/vulkan/icd.d/lvp_icd*.json >"$scratch/lvp_icd.json"
    mv "$scratch/lvp_icd.json" "$tools/mesa/lvp_icd.json"
}

# Modules of Node.js, as a package's lock file says, into the folder NAME.
fetch_modules() {
    local name="$1" package="$2"
    if [ -d "$tools/$name/node_modules" ] && cmp -s "$package/package.json" "$tools/$name/package.json"; then
        return
    fi
    mkdir -p "$tools/$name"
    cp "$package/package-lock.json" "$tools/$name/"
    cp "$package/package.json" "$scratch/package.json"
    # Last, so that it stands for all the rest.
    rm -f "$tools/$name/package.json"
    cp "$scratch/package.json" "$tools/$name/package.json"
    npm ci --prefix "$tools/$name" --ignore-scripts --no-audit --no-fund --loglevel=error || {
        rm -rf "${tools:?}/$name"
        return 1
    }
}

fetch_tint() { fetch_modules tint tests/tint; }
fetch_playwright() { fetch_modules playwright web/test; }

if [ $# -eq 0 ]; then
    set -- dxc swiftshader mesa tint playwright
fi
failed=()
for tool; do
    case "$tool" in
        dxc | swiftshader | mesa | tint | playwright) ;;
        *) echo "tests/tools.sh: there is no tool $tool" >&2 && exit 2 ;;
    esac
    # In a process of its own, so that `set -e` still ends it where it fails.
    bash -euo pipefail -c "$(declare -p tools scratch; declare -f fetch_modules "fetch_$tool"); fetch_$tool" || failed+=("$tool")
done
if [ ${#failed[@]} -ne 0 ]; then
    echo "tests/tools.sh: could not fetch ${failed[*]}" >&2
    exit 1
fi
