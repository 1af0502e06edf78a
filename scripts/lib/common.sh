# Shared by scripts/bench and scripts/test: what must be installed, and why.  Sourced, not run.
# shellcheck shell=bash disable=SC2034
root="$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)"

say() { printf '%s\n' "$*" >&2; }
fail() { say "$(basename "$0"): $1"; exit "${2:-2}"; }

# package | needed to build (yes) or a yardstick that may be absent (no) | why
packages_for_build='
g++                    | yes | C++20 compiler
cmake                  | yes | configures the build
ninja-build            | yes | runs the build
pkg-config             | yes | finds hwloc, Highway and libarchive
nlohmann-json3-dev     | yes | result and suite files
libfmt-dev             | yes | text output
libcli11-dev           | yes | command line
libvalijson-dev        | yes | JSON Schema validation
libsimdjson-dev        | yes | fleet: thousands of result files in seconds
libarchive-dev         | yes | bundles: results packed to be sent
zlib1g-dev             | yes | report: the results in the page, compressed
libbenchmark-dev       | yes | Google Benchmark runs the cases
libhwloc-dev           | yes | caches and cores of this machine
libhwy-dev             | yes | Highway: SIMD kernels chosen at run time
libopenblas-openmp-dev | no  | OpenBLAS, a CPU yardstick
libdnnl-dev            | no  | oneDNN, a CPU yardstick
libopenmpi-dev         | no  | all-reduce between processes, and its yardstick
openmpi-bin            | no  | mpirun
ccache                 | no  | makes the next build fast
'
packages_for_tests='
libgtest-dev           | yes | unit tests
libgmock-dev           | yes | unit tests
python3                | yes | tests of the sources and planted bugs
chromium               | no  | the report page, opened and looked at as a reader does
libbenchmark-tools     | no  | the stock compare.py, run against our output
python3-scipy          | no  | needed by compare.py
python3-yaml           | no  | test of the Kubernetes manifest
slurmctld              | no  | test of the Slurm script: a controller of its own on loopback
slurmd                 | no  | the same: its node
slurm-client           | no  | the same: sbatch and srun
munge                  | no  | the same: how they know each other
'

installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_missing LIST NO_INSTALL: says what is missing and why; installs it unless told not to.
install_missing() {
  command -v dpkg-query >/dev/null || { say "This is no Debian or Ubuntu: install the build dependencies by hand (README)."; return 0; }
  local package required why missing=() required_missing=()
  while IFS='|' read -r package required why; do
    package="${package// /}" required="${required// /}"
    [ -n "$package" ] || continue
    installed "$package" && continue
    missing+=("$package")
    [ "$required" = yes ] && required_missing+=("$package")
    say "missing: $package ($([ "$required" = yes ] && echo required || echo optional)):$why"
  done <<<"$1"
  [ ${#missing[@]} -gt 0 ] || return 0
  local as_root=() command_line
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  command_line="${as_root[*]+${as_root[*]} }apt-get install ${missing[*]}"
  if [ "$2" = yes ]; then
    say "to install: $command_line"
    [ ${#required_missing[@]} -eq 0 ] || fail "required packages are missing, and --no-install was given" 4
    return 0
  fi
  if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
    [ ${#required_missing[@]} -eq 0 ] && { say "continuing without the optional packages"; return 0; }
    fail "required packages are missing and this user cannot install them; as root: apt-get install ${missing[*]}" 4
  fi
  say "installing from the distribution: ${missing[*]}"
  "${as_root[@]}" apt-get update -qq >&2 || say "apt-get update failed; trying with the lists there are"
  if ! "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2; then
    [ ${#required_missing[@]} -eq 0 ] || "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${required_missing[@]}" >&2 ||
      fail "apt-get could not install: ${required_missing[*]}" 4
    say "some optional packages could not be installed; continuing without them"
  fi
}

# The CUDA compiler where it usually lives, if it is not on the PATH already.
find_cuda() {
  command -v nvcc >/dev/null && return 0
  [ -x /usr/local/cuda/bin/nvcc ] && PATH="$PATH:/usr/local/cuda/bin" && export PATH && return 0
  return 1
}

# sm_ numbers of the GPUs here, semicolon-separated; empty without a GPU.
gpu_architectures() {
  command -v nvidia-smi >/dev/null || return 0
  nvidia-smi --query-gpu=compute_cap --format=csv,noheader 2>/dev/null | grep -E '^[0-9]+\.[0-9]+$' | sort -u |
    sed -E 's/\.//; s/^(90|100|103)$/\1a/' | paste -sd';' || true
}

jobs_here() { nproc 2>/dev/null || echo 2; }

# build DIR TARGET [cmake options...]
build() {
  local dir="$1" target="$2"
  shift 2
  say "configuring in ${dir#"$root"/}"
  cmake -G Ninja -S "$root" -B "$dir" "$@" >"$dir.configure.log" 2>&1 || { cat "$dir.configure.log" >&2; fail "cmake failed" 4; }
  grep -A 20 -E '^-- Assay .*capabilities' "$dir.configure.log" | grep -E '^--  ? ?' | sed 's/^-- //' >&2
  say "building (the first time takes minutes)"
  export CCACHE_BASEDIR="$root" CCACHE_NOHASHDIR=1  # another clone of the same sources finds what this one compiled
  cmake --build "$dir" --target "$target" -j "$(jobs_here)" >"$dir.build.log" 2>&1 || { tail -n 60 "$dir.build.log" >&2; fail "the build failed; all of it: $dir.build.log" 4; }
}
