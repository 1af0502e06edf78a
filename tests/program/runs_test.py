#!/usr/bin/env python3
"""Runs that are more than one process or one sitting: ranks, interrupts, kills, searches."""
import json
import os
import random
import shutil
import signal
import subprocess
import time
import unittest

import program


def finished_cases(journal):
    """The journal's lines of cases that are finished; none where it is not begun, or its run is over."""
    try:
        lines = journal.read_text().splitlines(keepends=True)
    except FileNotFoundError:
        return []
    return [line for line in lines if line.endswith("\n") and line.startswith('{"record"')]


@unittest.skipUnless(shutil.which("mpirun"), "no mpirun")
class Ranks(program.Folder):
    def test_ranks_that_were_started_otherwise_measure_nothing(self):
        if not json.loads(self.run_ok("devices", "--json").stdout)["build"]["capabilities"]["mpi"]:
            self.skipTest("this build has no MPI")
        common = [program.PROGRAM, "run", "smoke", "--set", "device=cpu", "--filter", "all_reduce/*bytes=4/*", "--out", "r.json"]
        for other, word in ((common + ["--set", "seed=7"], "rank 1"), ([program.PROGRAM, "run", "smokx"], "smokx")):
            done = subprocess.run(["mpirun", *(["--allow-run-as-root"] if os.getuid() == 0 else []), "--oversubscribe", "--bind-to", "none",
                                   "-n", "1", *common, ":", "-n", "1", *other], cwd=self.folder, capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 2, done.stderr)
            lines = [line for line in done.stderr.splitlines() if line.startswith("assay: ")]
            self.assertEqual(len(lines), 1, done.stderr)
            self.assertIn(word, lines[0])
            self.assertEqual(list(self.folder.iterdir()), [])


class Interruptions(program.Folder):
    def start(self, *arguments):
        return subprocess.Popen([program.PROGRAM, "run", "smoke", "--out", "r.json", *arguments], cwd=self.folder, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def records(self):
        return json.loads((self.folder / "r.json").read_text())["records"]

    def test_interrupt_leaves_a_valid_result_and_resume_completes_it(self):
        cases = ["--filter", "gemm/*"]  # all of smoke takes minutes where others share the cores
        process = self.start(*cases)
        while process.poll() is None and not finished_cases(self.folder / "r.json.journal"):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        if process.returncode == 0:
            self.skipTest("finished before the interrupt")
        self.assertEqual(process.returncode, 4)
        self.assertFalse(json.loads((self.folder / "r.json").read_text())["complete"])
        some = len(self.records())
        self.run_ok("run", "smoke", *cases, "--out", "r.json", "--resume")
        self.assertTrue(json.loads((self.folder / "r.json").read_text())["complete"])
        self.assertGreater(len(self.records()), some)

    def test_a_terminal_that_closes_ends_a_run_as_ctrl_c_does(self):
        cases = ["--filter", "gemm/cpu_blocked/*", "--set", "device=cpu"]
        for handler, codes in ((signal.SIG_DFL, (4,)), (signal.SIG_IGN, (0,))):  # the second as under nohup
            process = subprocess.Popen([program.PROGRAM, "run", "smoke", "--out", f"{int(handler)}.json", *cases], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       preexec_fn=lambda chosen=handler: signal.signal(signal.SIGHUP, chosen))
            while process.poll() is None and not (self.folder / f"{int(handler)}.json.journal").exists():
                time.sleep(0.01)
            process.send_signal(signal.SIGHUP)
            process.wait(timeout=120)
            self.assertIn(process.returncode, codes)
            self.assertEqual(json.loads((self.folder / f"{int(handler)}.json").read_text())["complete"], codes == (0,))

    def test_kills_lose_nothing_and_measure_nothing_twice(self):
        cases = ["--filter", "gemm/*"]
        expected = len(json.loads(self.run_ok("list", "smoke", *cases, "--json").stdout))
        random.seed(7)
        resume, finished_ids = [], []
        journal = self.folder / "r.json.journal"

        for _ in range(30):
            process = self.start(*cases, *resume)
            # A case that is cut off twice is given up, so every run gets to finish one before it is killed.
            while process.poll() is None and len(finished_cases(journal)) <= len(finished_ids):
                time.sleep(0.01)
            try:
                process.communicate(timeout=0.3 * random.random())
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            if process.returncode == 0:
                break
            resume = ["--resume"]
            finished = finished_cases(journal)
            if finished:
                self.assertEqual(finished[: len(finished_ids)], finished_ids, "a finished case was lost or measured again")
                finished_ids = finished
        else:
            self.run_ok("run", "smoke", *cases, "--out", "r.json", "--resume")
        bad = [(record["id"], record["outcome"], record["reason"]) for record in self.records() if record["outcome"] not in ("ok", "skipped")]
        self.assertEqual(bad, [])
        ids = [record["id"] for record in self.records()]
        self.assertEqual(len(ids), expected)
        self.assertEqual(len(set(ids)), expected)


class Search(program.Folder):
    """A search over shapes: two rounds, two results, one answer."""
    ROUND = {"min_samples": 3, "max_samples": 9, "relative_half_width": 0.3, "wall_seconds": 0.05, "warmup_seconds": 0, "timeout_seconds": 30}

    def setUp(self):
        super().setUp()
        (self.folder / "suite.json").write_text(json.dumps({
            "schema": "assay-suite/1", "name": "tiny", "sampling": self.ROUND, "search": {"workload": "gemm", "finalists": 2, "sampling": self.ROUND},
            "cases": [{"workload": "peak", "device": "cpu", "kernel": "*fma*", "unit": "fma", "dtype": "f32", "size": 4096, "cache": "hot", "data": "integers"},
                      {"workload": "gemm", "device": "cpu", "dtype": ["f32", "bf16"], "m": [16, 64, 96], "n": [32, 128], "k": [64, 256]}]}))
        self.all = len(json.loads(self.run_ok("list", "./suite.json", "--json").stdout)) - 1

    def records(self, name):
        result = json.loads((self.folder / name).read_text())
        self.assertTrue(result["complete"])
        return result["records"]

    def test_the_fastest_are_measured_again(self):
        done = self.run_ok("run", "./suite.json", "--out", "r.json")
        first, last = self.records("r.first.json"), self.records("r.json")
        self.assertEqual(len(first), self.all)
        self.assertEqual([r["case"]["workload"] for r in last].count("peak"), 1)
        rate = {r["id"]: r["summary"]["flops_per_second"] for r in first}
        for vendor in (False, True):
            for dtype in ("f32", "bf16"):
                group = [r["id"] for r in first if r["vendor"] == vendor and r["case"]["dtype"] == dtype]
                chosen = [r["id"] for r in last if r["vendor"] == vendor and r["case"]["dtype"] == dtype and r["case"]["workload"] == "gemm"]
                self.assertEqual(chosen, sorted(group, key=rate.get, reverse=True)[:2])
        for text in (done.stdout, (self.folder / "r.json.md").read_text()):
            self.assertIn("The fastest shapes found", text)
            self.assertIn("H100", text)  # published for bf16
        self.refused(2, ["r.json"], "run", "./suite.json", "--out", "r.json")
        self.run_ok("run", "./suite.json", "--out", "r.json", "--resume")

    def test_kills_in_either_round_lose_nothing(self):
        random.seed(11)

        def progress():
            second = (self.folder / "r.first.json").exists()
            return second, len(finished_cases(self.folder / ("r.json.journal" if second else "r.first.json.journal")))

        for _ in range(40):
            before = progress()
            process = subprocess.Popen([program.PROGRAM, "run", "./suite.json", "--out", "r.json", "--resume"], cwd=self.folder,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            while process.poll() is None and progress() <= before:  # a case that is cut off twice is given up
                time.sleep(0.01)
            try:
                process.communicate(timeout=0.5 * random.random())
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            if process.returncode == 0:
                break
        else:
            self.run_ok("run", "./suite.json", "--out", "r.json", "--resume")
        self.assertEqual(len({r["id"] for r in self.records("r.first.json")}), self.all)
        self.assertEqual(len({r["id"] for r in self.records("r.json")}), len(self.records("r.json")))


if __name__ == "__main__":
    program.main(__name__)
