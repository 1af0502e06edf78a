"""What the tests of the whole program share: running it, and a folder of its own for every test."""
import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
RESULT = ROOT / "results" / "amd-epyc" / "2026-11-23-7876e77-quick.json"  # one without a seal
PROGRAM = None  # the program under test, and the tree it was built in; main() sets both
BUILD = None


def assay(*arguments, cwd=None, timeout=300, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=timeout, **options)


def environment_of(pid):
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def processes_of(mark):
    """Pids of processes that carry the mark in their environment; one that has ended and is not yet waited for has none."""
    return [int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit() and mark.encode() in environment_of(one.name)]


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="assay-test-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def run_ok(self, *arguments, **options):
        done = assay(*arguments, cwd=self.folder, **options)
        self.assertEqual(done.returncode, 0, f"{arguments}: {done.stderr[-2000:]}")
        return done

    def refused(self, code, words, *arguments):
        """Exit `code`, one line on stderr that holds every word, nothing on stdout, no file left."""
        before = sorted(p.name for p in self.folder.rglob("*"))
        done = assay(*arguments, cwd=self.folder)
        self.assertEqual(done.returncode, code, f"{arguments}: {done.stdout}{done.stderr}")
        lines = done.stderr.strip().splitlines()
        self.assertEqual(len(lines), 1, f"{arguments}: {done.stderr}")
        for word in words:
            self.assertIn(word, lines[0], arguments)
        self.assertEqual(done.stdout, "")
        self.assertEqual(before, sorted(p.name for p in self.folder.rglob("*")))


def main(tests):
    """Runs the named module's tests; usage: FILE --assay PROGRAM --build BUILD_TREE [unittest options]."""
    global PROGRAM, BUILD
    parser = argparse.ArgumentParser()
    parser.add_argument("--assay", required=True)
    parser.add_argument("--build", required=True)
    arguments, rest = parser.parse_known_args()
    PROGRAM, BUILD = os.path.abspath(arguments.assay), os.path.abspath(arguments.build)
    unittest.main(module=tests, argv=[sys.argv[0], *rest], verbosity=2)
