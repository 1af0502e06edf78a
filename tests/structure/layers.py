#!/usr/bin/env python3
"""Holds the dependency direction between folders: an #include may only point to the same folder or a lower layer.

usage: layers.py ROOT       exit 0, or 1 with one line per include that points up
       layers.py --self-test
"""
import re
import sys
import tempfile
from pathlib import Path

# Lowest first.  A folder may include from its own layer's folder and from every layer before it; folders that share a
# line may not include each other.
LAYERS = [
    ["kernels/common"],
    ["kernels/gemm", "kernels/attention", "kernels/collectives", "kernels/layer", "kernels/peak"],
    ["kernels/grouped_gemm"],  # loops over GEMM kernels
    ["harness/core", "harness/model"],
    ["harness/communicators", "harness/verify"],
    ["harness/backends"],
    ["harness/measure"],
    ["harness/train"],
    ["harness/workloads"],
    ["harness/suite"],
    ["harness/record"],
    ["harness/verdict"],
    ["harness/runner"],
    ["harness/project"],
    ["harness/publish"],
    ["harness/cli"],
    ["harness"],  # main.cpp
]
# Only a workload knows its operation's contract; suites derive shapes for the two they have models for.
OPERATIONS = {"kernels/gemm", "kernels/grouped_gemm", "kernels/attention", "kernels/collectives", "kernels/layer",
              "kernels/peak"}
MAY_KNOW_OPERATIONS = {"harness/train", "harness/workloads", "harness/suite"}

# Within an operation, lowest first: the contract and its reference; what CPUs and what all GPUs share; a generation's own
# and the vendors' libraries; Blackwell, which is modelled after Hopper.  The table of its kernels may include them all.
TARGETS = [[""], ["cpu", "cuda"], ["sm80", "sm90", "vendor"], ["sm100"]]

INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def folder_of(path):
    parts = Path(path).parts
    return "/".join(parts[:2]) if len(parts) > 2 else parts[0]


def rank(folder, layers=LAYERS):
    for i, layer in enumerate(layers):
        if folder in layer:
            return i
    return None


def points_between_targets(name, include):
    """Whether a file of an operation includes what is of another target, or of a target above its own."""
    here, there = ("/".join(Path(p).parts[2:-1]) for p in (name, include))
    is_table = Path(name).name == Path(name).parent.name + ".cpp"
    ranks = [rank(target, TARGETS) for target in (here, there)]
    return here != there and not is_table and None not in ranks and ranks[1] >= ranks[0]


def violations(root):
    found = []
    files = [p for top in ("kernels", "harness") for p in sorted((root / top).rglob("*"))
             if p.suffix in {".h", ".cpp", ".cu", ".cuh"}]
    for path in files:
        name = path.relative_to(root).as_posix()
        here = folder_of(name)
        for include in INCLUDE.findall(path.read_text(errors="replace")):
            if include.startswith("assay/"):  # generated configuration
                continue
            if not include.startswith(("kernels/", "harness/")):
                found.append(f"{name}: \"{include}\" is not written from the root of the tree")
                continue
            if not (root / include).exists() and not include.startswith("harness/generated"):
                found.append(f"{name}: \"{include}\" does not exist")
            there = folder_of(include)
            if there == here:
                if here in OPERATIONS and points_between_targets(name, include):
                    found.append(f"{name}: \"{include}\" is another target's")
                continue
            if rank(here) is None or rank(there) is None:
                found.append(f"{name}: {here if rank(here) is None else there} has no layer in tests/structure/layers.py")
            elif rank(there) >= rank(here):
                found.append(f"{name}: \"{include}\" points up from {here} to {there}")
            elif there in OPERATIONS and here.startswith("harness/") and here not in MAY_KNOW_OPERATIONS:
                found.append(f"{name}: \"{include}\": only workloads and suites know an operation's contract")
    return found, len(files)


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name, text in {
            "kernels/common/dtype.h": "",
            "kernels/gemm/gemm.h": '#include "kernels/common/dtype.h"\n',
            "kernels/gemm/gemm.cpp": '#include "kernels/gemm/cuda/raster.cuh"\n',  # the table
            "kernels/gemm/cuda/raster.cuh": "",
            "kernels/gemm/sm90/wgmma.h": '#include "kernels/gemm/cuda/raster.cuh"\n#include "kernels/gemm/gemm.h"\n',
            "harness/core/case.h": '#include "kernels/common/dtype.h"\n',
            "harness/record/record.h": '#include "harness/core/case.h"\n',
        }.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        assert violations(root)[0] == [], violations(root)
        for name, text, expected in [
            ("kernels/gemm/bad.cpp", '#include "harness/core/case.h"\n', "points up"),
            ("kernels/gemm/bad.cpp", '#include "kernels/attention/attention.h"\n', "points up"),
            ("kernels/gemm/reference.cpp", '#include "kernels/gemm/cuda/raster.cuh"\n', "another target's"),
            ("kernels/gemm/cuda/bad.h", '#include "kernels/gemm/sm90/wgmma.h"\n', "another target's"),
            ("kernels/gemm/vendor/bad.h", '#include "kernels/gemm/sm90/wgmma.h"\n', "another target's"),
            ("harness/core/bad.cpp", '#  include "harness/record/record.h"\n', "points up"),
            ("harness/record/bad.cpp", '#include "kernels/gemm/gemm.h"\n', "only workloads"),
            ("harness/record/bad.cpp", '#include "record.h"\n', "from the root"),
            ("harness/record/bad.cpp", '#include "harness/core/absent.h"\n', "does not exist"),
            ("harness/novel/bad.cpp", '#include "harness/core/case.h"\n', "has no layer"),
        ]:
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            found, _ = violations(root)
            assert any(expected in line for line in found), (name, text, found)
            path.unlink()
    print("self-test: every planted violation was found")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    found, count = violations(Path(sys.argv[1]))
    for line in found:
        print(line)
    print(f"{count} files, {len(found)} includes against the dependency direction")
    return 1 if found or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
