#!/usr/bin/env python3
"""Holds comments and documents to the tree: a file or folder that they name is there.

usage: names.py ROOT       exit 0, or 1 with one line per name that nothing bears
       names.py --self-test
"""
import posixpath
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SLASHES, HASHES = {".h", ".cpp", ".cu", ".cuh", ".js"}, {".py", ".cmake", ".txt"}
FILE = re.compile(r"(?<![\w./*-])((?:[\w.-]+/)*\w[\w-]*\.(?:h|cpp|cu|cuh|py|md|cmake|js))(?![\w/(])")
FOLDER = re.compile(r"(?<![\w./<-])((?:kernels|harness|configs|results|scripts|tests|cmake)(?:/[\w.-]+)+)(?![\w*{<])")
# Of other projects, or made by a user.
OUTSIDE = {
    "cuda.h", "fatbinary_section.h", "foreach_target.h", "hwy/base.h", "hwy/foreach_target.h",  # headers of libraries
    "compare.py", "fast.cu", "parallelize_llama.py", "PERFORMANCE.md",  # files of other projects
    "table.md", "build_config.h", "results/node7.tar.gz",
}
# What stands for any file in a usage line: `a_test.cpp`, `LIST.py`, `path/to/kernel.cu`.
STANDS_FOR_ANY = re.compile(r"(?:^|/)(?:[a-z](?:_\w+)?|[A-Z_]+(?:_\w+)?|list)\.\w+$|^path/to/")


def text_of(path):
    """A document, or the comments of a source file, with a line's number for each."""
    lines = path.read_text(errors="replace").split("\n")
    mark = {**dict.fromkeys(SLASHES, r"//"), **dict.fromkeys(HASHES, r"(?:^|\s)#\s")}.get(path.suffix, "")
    for number, line in enumerate(lines, 1):
        if comment := re.search(mark, line):
            yield number, line[comment.end():]


def unknown_names(root, files):
    folders = {parent.as_posix() for f in files for parent in Path(f).parents}
    endings = {"/".join(Path(f).parts[i:]) for f in files for i in range(len(Path(f).parts))}

    def is_there(found, beside):
        nearby = posixpath.normpath(posixpath.join(beside, found))
        return found in endings or nearby in endings or nearby in folders or any(f.startswith(found) for f in files)

    for name in files:
        path, beside = root / name, posixpath.dirname(name)
        if path.suffix not in SLASHES | HASHES | {".md"} or name.startswith("results/pages/"):
            continue
        for number, text in text_of(path):
            for found in sorted({one.rstrip(".") for one in FILE.findall(text) + FOLDER.findall(text)}):
                outside = found in OUTSIDE or Path(found).name in OUTSIDE or STANDS_FOR_ANY.search(found)
                if not outside and not is_there(found, beside):
                    yield f"{name}:{number}: there is no {found}"


def tracked(root):
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True)
    return [f for f in listed.stdout.split("\n") if f and (root / f).is_file()]


def self_test():
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        right = {"kernels/gemm/gemm.h": "// See gemm.cpp, ../gemm/gemm.cpp, kernels/gemm; cuda.h, a_test.cpp.\n",
                 "kernels/gemm/gemm.cpp": '#include "gone.h"\nx = gone.h;\n',
                 "README.md": "`kernels/gemm/gemm.h` and kernels/*/\n"}
        wrong = {"kernels/gemm/bad.h": ("int x;  // as in gone.cpp\n", "no gone.cpp"),
                 "kernels/bad.cmake": ("# kernels/attention has more\n", "no kernels/attention"),
                 "docs.md": ("see gemm/gone.py.\n", "no gemm/gone.py")}
        for name, text in {**right, **{name: text for name, (text, _) in wrong.items()}}.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        assert list(unknown_names(root, list(right))) == [], list(unknown_names(root, list(right)))
        for name, (_, expected) in wrong.items():
            found = list(unknown_names(root, [*right, name]))
            assert len(found) == 1 and found[0].startswith(name) and found[0].endswith(expected), (name, found)
    print("self-test: every planted name was found")


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = Path(sys.argv[1])
    files = tracked(root)
    if not files:
        print("skipped: no list of files without git")
        return 77
    found = list(unknown_names(root, files))
    print("\n".join([*found, f"{len(files)} files, {len(found)} names that nothing bears"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
