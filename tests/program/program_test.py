#!/usr/bin/env python3
"""The program as a user meets it: every verb, wrong flags and files, interrupts, kills, and the installed folder.

usage: program_test.py --assay PROGRAM [--build BUILD_TREE] [unittest options]
"""
import argparse
import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAM = None
BUILD = None

TABLE_FIELDS = ["id", "workload", "kernel", "device", "dtype", "mode", "cache", "outcome", "reason", "seconds", "seconds_low",
                "seconds_high", "samples", "flops_per_second", "bytes_per_second", "percent_of_peak", "percent_of_vendor",
                "error_over_allowed"]


def assay(*arguments, cwd=None, timeout=300, **options):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=timeout, **options)


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


class Verbs(Folder):
    def test_run_smoke_and_its_tables(self):
        done = self.run_ok("run", "smoke", "--out", "smoke.json")
        result = json.loads((self.folder / "smoke.json").read_text())
        self.assertTrue(result["complete"])
        outcomes = {record["outcome"]["kind"] if isinstance(record["outcome"], dict) else record["outcome"]
                    for record in result["records"]}
        self.assertLessEqual(outcomes, {"ok", "skipped"})
        self.assertIn("ok", outcomes)
        self.assertFalse((self.folder / "smoke.json.journal").exists())
        self.assertIn("smoke.json", done.stdout + done.stderr)

        rows = json.loads(self.run_ok("table", "smoke.json", "--format", "json").stdout)
        self.assertEqual(len(rows), len(result["records"]))
        workloads = {row["workload"] for row in rows if row["outcome"] == "ok"}
        self.assertLessEqual({"gemm", "grouped_gemm", "attention", "all_reduce"}, workloads)
        for row in rows:
            for field in TABLE_FIELDS:
                self.assertIn(field, row)
            if row["outcome"] == "ok":
                self.assertGreater(row["seconds"], 0)
                self.assertLessEqual(row["seconds_low"], row["seconds"])
                self.assertGreaterEqual(row["seconds_high"], row["seconds"])
                self.assertLessEqual(row["error_over_allowed"], 1)
                self.assertGreater(row["samples"], 0)
                if row["workload"] not in ("all_reduce", "peak"):  # which move bytes, or nothing
                    self.assertGreater(row["flops_per_second"], 0)
            else:
                self.assertIsNone(row["seconds"])
                self.assertIsNone(row["flops_per_second"])
                self.assertTrue(row["reason"])

        table = list(csv.DictReader(io.StringIO(self.run_ok("table", "smoke.json", "--format", "csv").stdout)))
        self.assertEqual([r["id"] for r in table], [r["id"] for r in rows])
        markdown = self.run_ok("table", "smoke.json", "--format", "md").stdout
        self.assertGreaterEqual(markdown.count("\n|"), len(rows))

    def test_list_names_every_case_and_why_it_is_skipped(self):
        self.assertIn("gemm/", self.run_ok("list", "smoke").stdout)
        for suite in ("quick", "gemm", "grouped_gemm", "attention", "all_reduce"):
            self.assertIn("/", self.run_ok("list", suite).stdout)

    def test_list_explains_on_behalf_of_an_accelerator_that_is_not_here(self):
        self.run_ok("list", "smoke", "--explain")
        done = assay("list", "quick", "--explain", "--as", "h200", cwd=self.folder)
        if done.returncode == 0:
            self.assertIn("run on NVIDIA H200", done.stdout)
        else:  # a build without kernels for GPUs
            self.assertEqual(done.returncode, 4)
            self.assertIn("no kernel for GPUs", done.stderr)
        self.refused(2, ["did you mean"], "list", "quick", "--as", "h20")

    def test_a_named_kernel_this_build_lacks_is_said_to_be_left_out(self):
        kernels = {kernel["kernel"] for kernel in json.loads(self.run_ok("list", "smoke", "--json").stdout)}
        if "mma_sm80" in kernels:
            self.skipTest("this build and machine have it")
        chosen = ("--set", "kernel=cpu_blocked,mma_sm80", "--filter", "gemm/*m=1/n=1/*")
        self.assertIn("mma_sm80", self.run_ok("list", "smoke", *chosen).stdout)
        self.assertIn("mma_sm80", self.run_ok("run", "smoke", *chosen, "--quiet", "--out", "r.json").stdout)

    def test_devices(self):
        self.assertIn("CPU", self.run_ok("devices").stdout)
        devices = json.loads(self.run_ok("devices", "--json").stdout)
        self.assertIn("cpu", devices)

    def test_help_and_version(self):
        for arguments in (["--help"], ["run", "--help"], ["list", "--help"], ["table", "--help"], ["devices", "--help"]):
            self.assertIn("--", self.run_ok(*arguments).stdout)
        self.assertRegex(self.run_ok("--version").stdout, r"\d+\.\d+\.\d+")

    def test_secrets_of_the_environment_stay_out_of_results(self):
        self.run_ok("run", "smoke", "--filter", "*m=1/*", "--out", "r.json", env={**os.environ, "MY_SECRET_TOKEN": "hunter2hunter2"})
        self.assertNotIn("hunter2hunter2", (self.folder / "r.json").read_text())


class OwnShapes(Folder):
    def test_ragged_long_and_huge_k_are_right_on_every_kernel(self):
        for name, sets in {
            "ragged": ["m=131", "n=67", "k=45", "layout=tn,nn,nt"],
            "row": ["m=1", "n=1031", "k=257", "layout=tn,nn,nt"],
            "column": ["m=1031", "n=1", "k=257", "layout=tn,nn,nt"],
            "one": ["m=1", "n=1", "k=1", "layout=tn,nn,nt"],
            "huge-k": ["m=3", "n=5", "k=1000003", "layout=tn,nn,nt"],
        }.items():
            options = [o for axis in sets for o in ("--set", axis)]
            self.run_ok("run", "smoke", "--filter", "gemm/*", *options, "--set", "dtype=f32,bf16", "--out", f"{name}.json")
            rows = json.loads(self.run_ok("table", f"{name}.json", "--format", "json").stdout)
            self.assertEqual({r["outcome"] for r in rows} - {"skipped"}, {"ok"}, name)

    def test_attention_shapes(self):
        for name, sets in {
            "short-keys": ["mask=causal", "seq_q=113", "seq_kv=17", "heads=6", "kv_heads=2", "head_dim=64"],
            "one-query": ["mask=causal,full", "seq_q=1", "seq_kv=799", "heads=4", "kv_heads=1", "head_dim=128"],
            "one-key": ["mask=full", "seq_q=239", "seq_kv=1", "heads=3", "kv_heads=3", "head_dim=128"],
        }.items():
            options = [o for axis in sets for o in ("--set", axis)]
            self.run_ok("run", "smoke", "--filter", "attention/*", *options, "--set", "dtype=f32,bf16", "--out", f"{name}.json")
            rows = json.loads(self.run_ok("table", f"{name}.json", "--format", "json").stdout)
            self.assertEqual({r["outcome"] for r in rows} - {"skipped"}, {"ok"}, name)


class Mistakes(Folder):
    def test_commands(self):
        self.refused(2, ["rnu"], "rnu")
        self.refused(2, ["--fitler"], "run", "smoke", "--fitler", "x")
        self.refused(2, ["smok"], "run", "smok")
        self.refused(2, ["--set"], "run", "smoke", "--set", "m")
        self.refused(2, ["zz"], "run", "smoke", "--set", "zz=3")
        self.refused(2, ["-5"], "run", "smoke", "--set", "m=-5")
        self.refused(2, ["f33"], "run", "smoke", "--set", "dtype=f33")
        self.refused(2, ["nothing-matches"], "run", "smoke", "--filter", "nothing-matches")
        self.refused(2, ["yaml"], "table", "x.json", "--format", "yaml")

    def test_files(self):
        self.refused(2, ["absent.json"], "table", "absent.json")
        self.refused(2, ["absent.json"], "run", "./absent.json")
        self.run_ok("run", "smoke", "--filter", "gemm/*", "--out", "good.json")
        good = (self.folder / "good.json").read_text()
        for name, text in {
            "empty.json": "",
            "truncated.json": good[: len(good) // 2],
            "not-a-result.json": '{"schema": "assay-suite/1"}',
            "nan.json": good.replace('"records"', '"records_": NaN, "records"', 1),
            "list.json": "[]",
        }.items():
            (self.folder / name).write_text(text)
            self.refused(2, [name], "table", name)
        (self.folder / "suite.json").write_text('{"schema":"assay-suite/1","name":"x","description":"d","cases":[{"workload":"gemn","dtype":"f32"}]}')
        self.refused(2, ["suite.json", "gemn"], "run", "./suite.json")
        self.refused(2, ["good.json", "--resume"], "run", "smoke", "--out", "good.json")

    def test_output_folder_that_cannot_be_written(self):
        done = assay("run", "smoke", "--out", "/proc/assay/x.json", cwd=self.folder)
        self.assertIn(done.returncode, (2, 4))
        self.assertIn("/proc/assay", done.stderr)

    def test_a_table_replaces_no_result_and_no_device(self):
        self.run_ok("run", "smoke", "--filter", "gemm/cpu_blocked/*/m=1/n=1/*", "--set", "device=cpu", "--out", "r.json")
        before = (self.folder / "r.json").read_text()
        self.refused(2, ["r.json"], "table", "r.json", "--out", "./r.json")
        self.assertEqual((self.folder / "r.json").read_text(), before)
        os.mkfifo(self.folder / "pipe")
        self.refused(2, ["pipe"], "table", "r.json", "--out", "pipe")
        self.refused(2, ["--out"], "table", "r.json", "--out", "")
        self.refused(2, ["--out"], "run", "smoke", "--out", "")

    def test_what_was_meant(self):
        self.refused(2, ["'-out'", "--out"], "run", "smoke", "-out", "x.json")
        self.refused(2, ["--set model", "no case of the suite comes from a model"], "run", "smoke", "--set", "model=llama3-8b")
        self.refused(2, ["whole id"], "run", "smoke", "--filter", "gemm")
        self.assertIn("gemm/", self.run_ok("list", "gemm", "--set", "model=llama3-8b").stdout)
        self.refused(2, ["layer", "zz"], "list", "gemm", "--set", "model=llama3-8b", "--set", "layer=zz")

    def test_a_finished_run_is_not_another_runs_result(self):
        arguments = ["run", "smoke", "--filter", "gemm/cpu_blocked/*/m=1/n=1/*", "--set", "device=cpu", "--out", "r.json", "--resume"]
        self.run_ok(*arguments, "--threads", "1")
        self.run_ok(*arguments, "--threads", "1")
        self.refused(2, ["r.json", "threads"], *arguments, "--threads", "2")

    def test_no_such_gpu_is_could_not_measure(self):
        done = assay("devices", "--json", cwd=self.folder)
        if json.loads(done.stdout).get("gpus"):
            self.skipTest("this machine has a GPU")
        done = assay("run", "smoke", "--set", "device=gpu", "--out", "g.json", cwd=self.folder)
        self.assertIn(done.returncode, (2, 4), done.stderr)


class Streams(Folder):
    """Standard streams that are full, closed, or read by nobody."""
    CASES = ["run", "smoke", "--set", "device=cpu", "--filter", "gemm/cpu_blocked/*/m=1/n=1/*"]

    def shell(self, command):
        return subprocess.run(["bash", "-o", "pipefail", "-c", command, "bash", PROGRAM], cwd=self.folder, capture_output=True, text=True,
                              timeout=120)

    def test_output_that_cannot_be_written_is_no_success(self):
        for verb in ("list smoke", "devices", "--help"):
            done = self.shell(f'"$1" {verb} > /dev/full')
            self.assertEqual(done.returncode, 4, verb)
            self.assertIn("standard output", done.stderr)

    def test_complaints_that_nobody_can_read_keep_their_exit_code(self):
        self.assertEqual(self.shell('"$1" rnu 2> /dev/full').returncode, 2)
        self.assertEqual(self.shell(f'"$1" {" ".join(self.CASES)} --out r.json 2> /dev/full').returncode, 0)

    def test_closed_streams_do_not_end_in_the_journal(self):
        for closed in (">&- 2>&-", "<&- >&- 2>&-"):
            self.shell(f'"$1" {" ".join(self.CASES)} --out r.json --resume {closed}')
            self.assertTrue(json.loads((self.folder / "r.json").read_text())["complete"])

    def test_a_reader_that_leaves_ends_no_run(self):
        self.assertEqual(self.shell(f'"$1" {" ".join(self.CASES)} --out r.json 2>&1 | true').returncode, 0)
        self.assertTrue(json.loads((self.folder / "r.json").read_text())["complete"])


@unittest.skipUnless(shutil.which("mpirun"), "no mpirun")
class Ranks(Folder):
    def test_ranks_that_were_started_otherwise_measure_nothing(self):
        if not json.loads(self.run_ok("devices", "--json").stdout)["build"]["capabilities"]["mpi"]:
            self.skipTest("this build has no MPI")
        common = [PROGRAM, "run", "smoke", "--set", "device=cpu", "--filter", "all_reduce/*bytes=4/*", "--out", "r.json"]
        for other, word in ((common + ["--set", "seed=7"], "rank 1"), ([PROGRAM, "run", "smokx"], "smokx")):
            done = subprocess.run(["mpirun", *(["--allow-run-as-root"] if os.getuid() == 0 else []), "--oversubscribe", "--bind-to", "none",
                                   "-n", "1", *common, ":", "-n", "1", *other], cwd=self.folder, capture_output=True, text=True, timeout=120)
            self.assertEqual(done.returncode, 2, done.stderr)
            lines = [line for line in done.stderr.splitlines() if line.startswith("assay: ")]
            self.assertEqual(len(lines), 1, done.stderr)
            self.assertIn(word, lines[0])
            self.assertEqual(list(self.folder.iterdir()), [])


class Interruptions(Folder):
    def start(self, *arguments):
        return subprocess.Popen([PROGRAM, "run", "smoke", "--out", "r.json", *arguments], cwd=self.folder, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def records(self):
        return json.loads((self.folder / "r.json").read_text())["records"]

    def test_interrupt_leaves_a_valid_result_and_resume_completes_it(self):
        process = self.start()
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        if process.returncode == 0:
            self.skipTest("finished before the interrupt")
        self.assertEqual(process.returncode, 4)
        self.assertFalse(json.loads((self.folder / "r.json").read_text())["complete"])
        some = len(self.records())
        self.run_ok("run", "smoke", "--out", "r.json", "--resume")
        self.assertTrue(json.loads((self.folder / "r.json").read_text())["complete"])
        self.assertGreater(len(self.records()), some)

    def test_kills_lose_nothing_and_measure_nothing_twice(self):
        expected = len(json.loads(self.run_ok("list", "smoke", "--json").stdout))
        random.seed(7)
        resume, finished_ids = [], []
        journal = self.folder / "r.json.journal"

        def finished_cases():
            try:
                lines = journal.read_text().splitlines(keepends=True)
            except FileNotFoundError:  # not begun, or finished meanwhile
                return []
            return [line for line in lines if line.endswith("\n") and line.startswith('{"record"')]

        for _ in range(60):
            process = self.start(*resume)
            # A case that is cut off twice is given up, so every run gets to finish one before it is killed.
            while process.poll() is None and len(finished_cases()) <= len(finished_ids):
                time.sleep(0.01)
            try:
                process.communicate(timeout=0.6 * random.random())
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            if process.returncode == 0:
                break
            resume = ["--resume"]
            finished = finished_cases()
            if finished:
                self.assertEqual(finished[: len(finished_ids)], finished_ids, "a finished case was lost or measured again")
                finished_ids = finished
        else:
            self.run_ok("run", "smoke", "--out", "r.json", "--resume")
        bad = [(record["id"], record["outcome"], record["reason"]) for record in self.records() if record["outcome"] not in ("ok", "skipped")]
        self.assertEqual(bad, [])
        ids = [record["id"] for record in self.records()]
        self.assertEqual(len(ids), expected)
        self.assertEqual(len(set(ids)), expected)


class Search(Folder):
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
        for _ in range(40):
            process = subprocess.Popen([PROGRAM, "run", "./suite.json", "--out", "r.json", "--resume"], cwd=self.folder,
                                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                process.communicate(timeout=0.3 + 1.5 * random.random())
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
            if process.returncode == 0:
                break
        else:
            self.run_ok("run", "./suite.json", "--out", "r.json", "--resume")
        self.assertEqual(len({r["id"] for r in self.records("r.first.json")}), self.all)
        self.assertEqual(len({r["id"] for r in self.records("r.json")}), len(self.records("r.json")))


class Installed(Folder):
    def test_folder_runs_after_being_copied_without_the_build(self):
        prefix, copy = self.folder / "prefix", self.folder / "copied"
        done = subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        shutil.move(prefix, copy)
        program = copy / "bin" / "assay"
        linked = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        self.assertNotIn("not found", linked)
        for line in linked.splitlines():
            if "=>" in line and not any(system in line for system in ("libc.so", "libm.so", "libdl.so", "librt.so", "libpthread.so", "ld-linux")):
                self.assertIn(str(copy), line, "comes from the system, not from the folder")
        done = subprocess.run([program, "run", "smoke", "--filter", "gemm/*", "--out", "r.json"], cwd=self.folder, capture_output=True,
                              text=True, env={"PATH": "/usr/bin:/bin"})
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        self.assertTrue((copy / "configs" / "suites" / "quick.json").exists())


class Readme(unittest.TestCase):
    def test_tables_are_not_stale(self):
        done = subprocess.run([sys.executable, ROOT / "scripts" / "readme_tables", "--assay", PROGRAM, "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


def main():
    global PROGRAM, BUILD
    parser = argparse.ArgumentParser()
    parser.add_argument("--assay", required=True)
    parser.add_argument("--build", required=True)
    arguments, rest = parser.parse_known_args()
    PROGRAM, BUILD = os.path.abspath(arguments.assay), os.path.abspath(arguments.build)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
