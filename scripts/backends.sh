#!/usr/bin/env bash
# Sets up what the wgpu and LibTorch backends of Burn need on a bare Debian (or
# Ubuntu) machine without a GPU, and prints the environment variables to set.
#
# Usage:
#   eval "$(scripts/backends.sh wgpu)"       # a software Vulkan driver
#   eval "$(scripts/backends.sh tch)"        # LibTorch 2.9.0 for the CPU
#   eval "$(scripts/backends.sh wgpu tch)"   # both
#
# In a script, where a failure must not go unnoticed:
#   exports=$(scripts/backends.sh wgpu tch) && eval "$exports"
#
# Only `export NAME=VALUE` lines go to stdout, and only once all went well;
# everything else goes to stderr. What is already there is not fetched again.
# Packages are installed with apt-get, through sudo when not run as root.
#
# wgpu: installs Mesa's lavapipe, which runs Vulkan on the CPU. It is slow and
#   meant for tests. A machine with a real GPU and its Vulkan driver does not need
#   this: there, this script installs nothing and sets nothing.
#
# tch: makes a folder in the layout of a libtorch archive (lib/, include/) with the
#   CPU part of the PyPI package torch 2.9.0, which torch-sys 0.22 asks for. The
#   folder is `.libtorch` in the repository, or $BURN_PATCH_LIBTORCH when set.
#   It downloads 0.9 GB, removes that again and keeps 0.5 GB; x86-64 only.
#   The package is built for CUDA, so its CPU library wants two small libraries
#   of the CUDA toolkit (libcupti, libcudart) to load; they are fetched too, and
#   no GPU is used. For CUDA, use a normal libtorch (set LIBTORCH to its folder)
#   or a pip install of torch==2.9.0 (set LIBTORCH_USE_PYTORCH=1) instead.

set -euo pipefail

# From here on stdout is stderr; file descriptor 3 is the real stdout.
exec 3>&1 1>&2

TORCH_VERSION=2.9.0
CUPTI_VERSION=12.8.90   # the CUDA release that this torch was built with
CUDART_VERSION=12.8.90
MARKER=.made-by-backends-sh   # marks a LibTorch folder as made by this script

repo=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
exports=()

say() { printf 'backends.sh: %s\n' "$*"; }
die() { say "$*"; exit 1; }
add_export() { exports+=("$(printf 'export %s=%q' "$1" "$2")"); }

usage() {
    say "usage: scripts/backends.sh wgpu | tch | wgpu tch"
    exit 2
}

# Installs Debian packages.
apt_install() {
    command -v apt-get >/dev/null || die "no apt-get here; please install by hand: $*"
    local root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "neither root nor sudo; please install by hand: $*"
        root=(sudo)
    fi
    say "installing $*"
    "${root[@]}" apt-get update -qq
    "${root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y -qq --no-install-recommends "$@"
}

# Prints the first of its arguments that exists; give it a glob.
first_existing() {
    local path
    for path in "$@"; do
        if [ -e "$path" ]; then
            printf '%s\n' "$path"
            return 0
        fi
    done
    return 1
}

setup_wgpu() {
    local icd
    # A GPU's device file and any Vulkan driver besides the software one. With both
    # there, choosing lavapipe would only hide the GPU.
    if first_existing /dev/dri/renderD* /dev/nvidia[0-9]* /dev/dxg >/dev/null &&
        find /usr/share/vulkan/icd.d /etc/vulkan/icd.d -name '*.json' ! -name 'lvp_icd*' \
            2>/dev/null | grep -q .; then
        say "wgpu: this machine has a GPU and a Vulkan driver: nothing to set up"
        return
    fi

    if ! first_existing /usr/share/vulkan/icd.d/lvp_icd*.json >/dev/null ||
        ! first_existing /usr/lib/*/libvulkan.so.1 /usr/lib*/libvulkan.so.1 >/dev/null; then
        apt_install mesa-vulkan-drivers libvulkan1
    fi
    icd=$(first_existing /usr/share/vulkan/icd.d/lvp_icd*.json) ||
        die "wgpu: found no lvp_icd*.json in /usr/share/vulkan/icd.d after the installation"
    say "wgpu: software Vulkan driver $icd"

    # Only lavapipe: the loader need not try the drivers of GPUs that are not there.
    add_export VK_DRIVER_FILES "$icd"
    # Lavapipe is a device of the kind "Cpu", which CubeCL does not count as
    # available unless it is asked for by this name.
    add_export CUBECL_WGPU_DEFAULT_DEVICE Cpu
    # Burn's own test tasks read this to leave out the SPIR-V compiler, which
    # lavapipe does not take well; use the WGSL one (Burn's feature `wgpu`).
    add_export DISABLE_WGPU_SPIRV 1
}

# Fetches one wheel into the current folder. The Python version and platform are
# named, so any python3 with pip can fetch it.
fetch_wheel() {
    say "tch: fetching $1"
    TMPDIR=$PWD python3 -m pip --disable-pip-version-check download --quiet --no-cache-dir \
        --no-deps --only-binary=:all: --python-version 3.11 --implementation cp \
        --platform manylinux_2_28_x86_64 --platform manylinux2014_x86_64 "$1"
}

libtorch_is_complete() {
    local name
    # torch-sys reads build-version too, and refuses a version that it does not know.
    # It is written last, so it also says that the folder is complete.
    [ "$(cat "$1/build-version" 2>/dev/null)" = "$TORCH_VERSION" ] || return 1
    for name in libtorch_cpu.so libtorch.so libc10.so libgomp.so.1 libcupti.so.12 libcudart.so.12; do
        [ -s "$1/lib/$name" ] || return 1
    done
    [ -s "$1/include/torch/csrc/api/include/torch/torch.h" ]
}

make_libtorch() {
    local target=$1 work
    # What is removed below must be this script's own.
    if [ -n "$(ls -A "$target")" ] && [ ! -e "$target/$MARKER" ]; then
        die "tch: $target is neither empty nor made by this script; choose another BURN_PATCH_LIBTORCH"
    fi
    python3 -m pip --version >/dev/null 2>&1 || apt_install python3 python3-pip

    touch "$target/$MARKER"
    work=$target/.download
    rm -rf "$work" "$target/build-version" "$target/lib" "$target/include"
    mkdir -p "$work"
    # shellcheck disable=SC2064  # the folder of now is the one to remove
    trap "rm -rf $(printf %q "$work")" EXIT
    # Keep the folder out of git wherever it lies.
    echo '*' >"$target/.gitignore"

    (
        cd "$work"
        fetch_wheel "nvidia-cuda-runtime-cu12==$CUDART_VERSION"
        fetch_wheel "nvidia-cuda-cupti-cu12==$CUPTI_VERSION"
        fetch_wheel "torch==$TORCH_VERSION"
        say "tch: extracting"
        python3 - "$target" <<'PY'
import pathlib, shutil, sys, zipfile

target = pathlib.Path(sys.argv[1])
# (start of a path in a wheel, its place in the folder)
WANTED = [
    ("torch/include/", "include/"),
    ("torch/lib/libtorch_cpu.so", "lib/libtorch_cpu.so"),
    ("torch/lib/libc10.so", "lib/libc10.so"),
    ("torch/lib/libgomp.so.1", "lib/libgomp.so.1"),
    ("nvidia/cuda_cupti/lib/libcupti.so.12", "lib/libcupti.so.12"),
    ("nvidia/cuda_runtime/lib/libcudart.so.12", "lib/libcudart.so.12"),
]
left = {start for start, _ in WANTED}
for wheel in sorted(pathlib.Path(".").glob("*.whl")):
    licences = "licenses/" + wheel.name.split("-")[0] + "/"
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if name.endswith("/"):
                continue
            place = None
            for start, to in WANTED:
                if name == start or (start.endswith("/") and name.startswith(start)):
                    place = to + name[len(start):]
                    left.discard(start)
            base = name.rsplit("/", 1)[-1]
            if ".dist-info/" in name and base.upper().startswith(("LICENSE", "NOTICE")):
                place = licences + base
            if place is None:
                continue
            path = target / place
            path.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(name) as source, open(path, "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
if left:
    sys.exit(f"the wheels lack {sorted(left)}")
PY
    )

    # torch-sys also links `-ltorch`. The libtorch.so of the package wants the CUDA
    # library; all that it stands for here is the CPU one, so this linker script
    # takes its place.
    echo 'INPUT ( libtorch_cpu.so libc10.so )' >"$target/lib/libtorch.so"

    rm -rf "$work"
    echo "$TORCH_VERSION" >"$target/build-version"
}

setup_tch() {
    local target paths
    [ "$(uname -sm)" = "Linux x86_64" ] || die "tch: this works on x86-64 Linux only"
    command -v g++ >/dev/null || apt_install g++

    target=${BURN_PATCH_LIBTORCH:-$repo/.libtorch}
    mkdir -p "$target"
    target=$(cd "$target" && pwd)
    libtorch_is_complete "$target" || make_libtorch "$target"
    libtorch_is_complete "$target" || die "tch: $target is not complete"
    say "tch: LibTorch $TORCH_VERSION in $target"

    # torch-sys needs no more than LIBTORCH: it takes the C++11 ABI as given, as this
    # package does, and the version is right. The programs find the libraries through
    # LD_LIBRARY_PATH.
    add_export LIBTORCH "$target"
    case ":${LD_LIBRARY_PATH:-}:" in
        *":$target/lib:"*) paths=$LD_LIBRARY_PATH ;;
        *) paths=$target/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} ;;
    esac
    add_export LD_LIBRARY_PATH "$paths"
}

[ $# -gt 0 ] || usage
for name in "$@"; do
    case $name in
        wgpu | tch) ;;
        *) usage ;;
    esac
done
for name in "$@"; do
    "setup_$name"
done
if [ ${#exports[@]} -gt 0 ]; then
    printf '%s\n' "${exports[@]}" >&3
fi
