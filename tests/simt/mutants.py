#!/usr/bin/env python3
"""Plants one bug at a time in a kernel and demands that its test on the functional GPU notices.

A list of mutants is a Python file that ends in

    if __name__ == "__main__":
        mutants.main([mutants.Suite(source="kernels/gemm/sm80/mma.cu", arch="80", ptx="mma_sm80",
                                    test=["tests/simt/gemm/simt_gemm_test", "--gtest_filter=*Edge*"],
                                    mutants=[mutants.Mutant("no barrier in the main loop", "kernels/gemm/sm80/mma.cu",
                                                            "    __syncthreads();\n", "", expect="data race"), ...])])

Each mutant is compiled to PTX in a temporary folder, where the changed file shadows the original (includes are written
from the root); the test finds that PTX through $ASSAY_SIMT_PTX_DIR.  The unchanged kernel is run first and must pass.

    FILE.py --root SOURCE_TREE --build BUILD_TREE [--nvcc NVCC] [--all] [--filter REGEX] [--jobs N] [--verbose]

Without --all, only the mutants marked quick=True run.  Exit code: 0 all as expected, 1 otherwise.
"""
import argparse
import concurrent.futures
import dataclasses
import os
import pathlib
import re
import subprocess
import sys
import tempfile


@dataclasses.dataclass
class Mutant:
    name: str
    file: str              # from the root of the tree
    old: str               # must occur; every occurrence is replaced
    new: str
    expect: str = "any"    # a regular expression that the failing test's output must match; "any": the test must fail
    quick: bool = False    # part of the default run
    equivalent: str = ""   # why the change makes no difference; the test must then pass


@dataclasses.dataclass
class Suite:
    source: str            # the .cu, from the root of the tree
    arch: str              # "80", "90a"
    ptx: str               # the name its test loads: NAME.ptx
    test: list             # command; a first word with a slash is taken from the build tree
    mutants: list
    env: dict = dataclasses.field(default_factory=dict)
    timeout: float = 120


class Runner:
    def __init__(self, options):
        self.root = pathlib.Path(options.root).resolve()
        self.build = pathlib.Path(options.build).resolve()
        self.nvcc = options.nvcc

    def compile(self, suite, overlay, output):
        """PTX of the suite's source with the files under `overlay` in front of the tree's; the error text, or ''."""
        source = overlay / suite.source
        if not source.exists():
            source = self.root / suite.source
        arch = f"arch=compute_{suite.arch},code=compute_{suite.arch}"
        command = [self.nvcc, "-w", "-ptx", "-O3", "-std=c++17", "-lineinfo", f"-I{overlay}", f"-I{self.root}",
                   "-gencode", arch, "-o", str(output), str(source)]
        done = subprocess.run(command, capture_output=True, text=True)
        return (done.stderr + done.stdout or "nvcc failed") if done.returncode else ""

    def run_test(self, suite, folder):
        """Exit code (None after a time-out) and output of the suite's test on the PTX in `folder`."""
        command = list(suite.test)
        if "/" in command[0] and not os.path.isabs(command[0]):
            command[0] = str(self.build / command[0])
        env = dict(os.environ, ASSAY_SIMT_PTX_DIR=str(folder), **suite.env)
        try:
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=env, timeout=suite.timeout)
            return done.returncode, done.stdout + done.stderr
        except subprocess.TimeoutExpired as e:
            return None, f"timed out after {e.timeout} s"

    def baseline(self, suite):
        """PTX of the unchanged kernel, and what is wrong with it ('' where its test passes)."""
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
            folder = pathlib.Path(folder)
            output = folder / f"{suite.ptx}.ptx"
            if error := self.compile(suite, folder, output):
                return "", f"does not compile: {error}"
            code, text = self.run_test(suite, folder)
            return instructions(output), "" if code == 0 else f"the test fails on the unchanged kernel: {text[-3000:]}"

    def judge(self, suite, mutant, base_ptx):
        """(as expected?, one line of verdict, test output)."""
        original = (self.root / mutant.file).read_text()
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
            folder = pathlib.Path(folder)
            changed = folder / mutant.file
            changed.parent.mkdir(parents=True)
            changed.write_text(original.replace(mutant.old, mutant.new))
            output = folder / f"{suite.ptx}.ptx"
            if error := self.compile(suite, folder, output):
                return False, "does not compile", error
            same = instructions(output) == base_ptx
            code, text = self.run_test(suite, folder)
        found = first_finding(text) if code else "timed out" if code is None else "not noticed"
        if mutant.equivalent:
            return code == 0, f"equivalent ({mutant.equivalent}): {found}", text
        if code == 0:
            return False, "not noticed" + (": the PTX is the same" if same else ""), text
        if mutant.expect != "any" and not re.search(mutant.expect, text):
            return False, f"noticed as '{found}', expected '{mutant.expect}'", text
        return True, found, text


def instructions(path):
    """PTX without line information and comments: equal for equal code."""
    lines = path.read_text().splitlines()
    return "\n".join(l for l in lines if not re.match(r"\s*(\.loc|\.file|//)|\s*$", l))


def first_finding(text):
    """The shortest honest summary of a failed test: its first fault, else its first failed assertion."""
    for pattern in (r'description "([^\n"]+)', r"FAULT ([^\n]+)", r"(wrong result[^\n\"]*)", r"Failure\n([^\n]+)"):
        if m := re.search(pattern, text):
            return m.group(1).strip()[:110]
    return (text.strip().splitlines() or ["no output"])[-1][:110]


def run_suite(runner, suite, options, pool):
    chosen = [m for m in suite.mutants if (options.all or m.quick) and re.search(options.filter, m.name)]
    if not chosen:
        return 0, 0
    base, error = runner.baseline(suite)
    if error:
        print(f"{suite.source}: {error}", flush=True)
        return len(chosen), len(chosen)
    bad = 0
    for mutant, (ok, verdict, text) in zip(chosen, pool.map(lambda m: runner.judge(suite, m, base), chosen)):
        bad += not ok
        print(f"{'ok  ' if ok else 'FAIL'} {mutant.name:50s} {verdict}", flush=True)
        if options.verbose or not ok:
            print("\n".join("       " + line for line in text.strip().splitlines()[-25:]), flush=True)
    return len(chosen), bad


def stale(suites, root):
    """Mutants whose text a change of the kernels took away, also of those that do not run."""
    return [f"FAIL {mutant.name:50s} stale: the text to replace is not in {mutant.file}"
            for suite in suites for mutant in suite.mutants if mutant.old not in (root / mutant.file).read_text()]


def main(suites, argv=None):
    parser = argparse.ArgumentParser(description="plants bugs in kernels; every one must be noticed")
    parser.add_argument("--root", default=pathlib.Path(__file__).resolve().parents[2], help="source tree")
    parser.add_argument("--build", required=True, help="build tree, with the tests built")
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--all", action="store_true", help="every mutant, not only the quick ones")
    parser.add_argument("--filter", default="", help="regular expression on mutants' names")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--verbose", action="store_true")
    options = parser.parse_args(argv)
    runner = Runner(options)
    if lines := stale(suites, runner.root):
        print("\n".join(lines))
        sys.exit(1)
    total = bad = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        for suite in suites:
            n, wrong = run_suite(runner, suite, options, pool)
            total, bad = total + n, bad + wrong
    print(f"{total} mutants, {total - bad} as expected, {bad} not")
    sys.exit(1 if bad or not total else 0)
