#!/usr/bin/env python3
"""scripts/measure_gpu, with a script in the program's place that fails as programs on a new GPU do.

usage: measure_gpu_test.py --scripts FOLDER
"""
import argparse
import os
import re
import stat
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

SCRIPTS = None
# Says what it was asked for in calls.txt; what PLAN names fails in its way, each time that it is asked.
PROGRAM = """#!/usr/bin/env python3
import os, signal, sys, time
from pathlib import Path
with open("calls.txt", "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
if "--out" not in sys.argv:
    sys.exit(0)
out = Path(sys.argv[sys.argv.index("--out") + 1])
step = out.name.split("-", 4)[-1][:-5]
ways = dict(one.split("=") for one in os.environ["PLAN"].split())
way = ways.get(step, "fine")
journal = Path(str(out) + ".journal")
if way == "fault_once" and not journal.exists():  # a fault: the other cases are left
    out.write_text("{}"); journal.write_text(""); sys.exit(4)
if way == "fault_always":
    journal.write_text(""); sys.exit(4)
if way == "wrong":
    out.write_text("{}"); sys.exit(3)
if way == "long":  # ends as assay does when it is told to
    journal.write_text("")
    signal.signal(signal.SIGINT, lambda *_: (out.write_text("{}"), os._exit(4)))
    time.sleep(100)
journal.unlink(missing_ok=True)
out.write_text("{}")
"""


class MeasureGpu(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = Path(temporary.name)
        self.program = self.folder / "assay"
        self.program.write_text(PROGRAM)
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)

    def measure(self, plan, *arguments):
        return subprocess.run([SCRIPTS / "measure_gpu", "--assay", self.program, "--out", self.folder / "results", *arguments],
                              cwd=self.folder, env={**os.environ, "PLAN": plan}, capture_output=True, text=True, timeout=120)

    def calls(self, result):
        calls = (self.folder / "calls.txt").read_text().splitlines()
        return [one for one in calls if re.search(rf"/\d{{4}}-\d\d-\d\d-[^-]+-{result}\.json$", one)]

    def test_goes_on_in_another_process_behind_a_fault(self):
        done = self.measure("smoke=fault_once ragged-gemm=wrong", "--minutes", "10")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertEqual([len(self.calls(one)) for one in ("smoke-own", "ragged-gemm", "smoke", "layer", "attention")], [1, 1, 2, 1, 1], done.stderr)
        for call in self.calls("smoke"):
            for word in ("--anyway", "--resume", "--timeout 10", "device=gpu0"):
                self.assertIn(word, call)

    def test_a_fault_that_stays_is_not_met_for_ever(self):
        done = self.measure("smoke=fault_always", "--quick")
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertEqual([len(self.calls("smoke")), len(self.calls("quick"))], [20, 1])

    def test_a_step_that_takes_too_long_takes_its_own_time_alone(self):
        start = time.monotonic()
        done = self.measure("smoke-own=long", "--minutes", "1")
        self.assertLess(time.monotonic() - start, 60)
        self.assertEqual(done.returncode, 124, done.stderr)
        self.assertEqual([len(self.calls("smoke-own")), len(self.calls("layer"))], [1, 1], done.stderr)
        saved = list((self.folder / "results").glob("*-smoke-own.json"))
        self.assertEqual([one.read_text() for one in saved], ["{}"], "it was told in time, and saved")

    def test_the_same_command_goes_on_with_the_same_files(self):
        self.measure("", "--quick")
        files = sorted((self.folder / "results").iterdir())
        for one in files:  # of another day
            one.rename(one.with_name("2026-01-02" + one.name[10:]))
        self.measure("", "--quick")
        self.assertEqual(sorted(one.name for one in (self.folder / "results").iterdir()), ["2026-01-02" + one.name[10:] for one in files])

    def test_says_what_is_wrong_in_a_line(self):
        bad = {("--minutes", "x"): (2, "whole number"), ("--minutes",): (2, "whole number"), ("--what",): (2, "--what")}
        for arguments, (code, word) in bad.items():
            done = subprocess.run([SCRIPTS / "measure_gpu", *arguments], capture_output=True, text=True, timeout=60)
            self.assertEqual((done.returncode, done.stderr.count("\n")), (code, 1), done.stderr)
            self.assertIn(word, done.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--scripts", required=True, type=Path)
    options, rest = parser.parse_known_args()
    SCRIPTS = options.scripts.resolve()
    unittest.main(argv=[sys.argv[0], *rest])
