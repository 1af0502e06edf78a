#!/usr/bin/env python3
"""Every verb as a user meets it, shapes of one's own, the installed folder, the README's tables."""
import csv
import io
import json
import os
import shutil
import subprocess
import sys
import unittest

import program

TABLE_FIELDS = ["id", "workload", "kernel", "device", "dtype", "mode", "cache", "outcome", "reason", "seconds", "seconds_low",
                "seconds_high", "samples", "flops_per_second", "bytes_per_second", "percent_of_peak", "percent_of_vendor",
                "error_over_allowed"]


class Verbs(program.Folder):
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
                if row["workload"] in ("gemm", "grouped_gemm", "attention"):  # others move bytes, or nothing
                    self.assertGreater(row["flops_per_second"], 0)
            else:
                self.assertIsNone(row["seconds"])
                self.assertIsNone(row["flops_per_second"])
                self.assertTrue(row["reason"])

        table = list(csv.DictReader(io.StringIO(self.run_ok("table", "smoke.json", "--format", "csv").stdout)))
        self.assertEqual([r["id"] for r in table], [r["id"] for r in rows])
        markdown = self.run_ok("table", "smoke.json", "--format", "md").stdout
        self.assertGreaterEqual(markdown.count("\n|"), len(rows))

    def test_run_prints_its_rows_as_json(self):
        done = self.run_ok("run", "smoke", "--filter", "gemm/cpu_blocked/*/m=1/n=1/*", "--set", "device=cpu", "--json", "--out", "r.json")
        rows = json.loads(done.stdout)
        self.assertTrue(rows)
        self.assertEqual(rows, json.loads(self.run_ok("table", "r.json", "--format", "json").stdout))

    def test_list_names_every_case_and_why_it_is_skipped(self):
        self.assertIn("gemm/", self.run_ok("list", "smoke").stdout)
        for suite in ("quick", "gemm", "grouped_gemm", "attention", "all_reduce", "collectives"):
            self.assertIn("/", self.run_ok("list", suite).stdout)

    def test_list_explains_on_behalf_of_an_accelerator_that_is_not_here(self):
        self.run_ok("list", "smoke", "--explain")
        done = program.assay("list", "quick", "--explain", "--as", "h200", cwd=self.folder)
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


class OwnShapes(program.Folder):
    # Whether they are right, however long it takes: along a long k OpenBLAS's threads yield to whatever else the machine
    # does, and beside other tests a launch has taken longer than the suite's 30 s.
    PATIENT = ("--timeout", 300)

    def test_ragged_long_and_huge_k_are_right_on_every_kernel(self):
        for name, sets in {
            "ragged": ["m=131", "n=67", "k=45", "layout=tn,nn,nt"],
            "row": ["m=1", "n=1031", "k=257", "layout=tn,nn,nt"],
            "column": ["m=1031", "n=1", "k=257", "layout=tn,nn,nt"],
            "one": ["m=1", "n=1", "k=1", "layout=tn,nn,nt"],
            "huge-k": ["m=3", "n=5", "k=1000003", "layout=tn,nn,nt"],
        }.items():
            options = [o for axis in sets for o in ("--set", axis)]
            self.run_ok("run", "smoke", "--filter", "gemm/*", *options, "--set", "dtype=f32,bf16", *self.PATIENT, "--out", f"{name}.json")
            rows = json.loads(self.run_ok("table", f"{name}.json", "--format", "json").stdout)
            self.assertEqual({r["outcome"] for r in rows} - {"skipped"}, {"ok"}, name)

    def test_attention_shapes(self):
        for name, sets in {
            "short-keys": ["mask=causal", "seq_q=113", "seq_kv=17", "heads=6", "kv_heads=2", "head_dim=64"],
            "one-query": ["mask=causal,full", "seq_q=1", "seq_kv=799", "heads=4", "kv_heads=1", "head_dim=128"],
            "one-key": ["mask=full", "seq_q=239", "seq_kv=1", "heads=3", "kv_heads=3", "head_dim=128"],
        }.items():
            options = [o for axis in sets for o in ("--set", axis)]
            self.run_ok("run", "smoke", "--filter", "attention/*", *options, "--set", "dtype=f32,bf16", *self.PATIENT, "--out", f"{name}.json")
            rows = json.loads(self.run_ok("table", f"{name}.json", "--format", "json").stdout)
            self.assertEqual({r["outcome"] for r in rows} - {"skipped"}, {"ok"}, name)


class Installed(program.Folder):
    def test_folder_runs_after_being_copied_without_the_build(self):
        prefix, copy = self.folder / "prefix", self.folder / "copied"
        done = subprocess.run(["cmake", "--install", program.BUILD, "--prefix", prefix], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        shutil.move(prefix, copy)
        installed = copy / "bin" / "assay"
        linked = subprocess.run(["ldd", installed], capture_output=True, text=True).stdout
        self.assertNotIn("not found", linked)
        for line in linked.splitlines():
            if "=>" in line and not any(system in line for system in ("libc.so", "libm.so", "libdl.so", "librt.so", "libpthread.so", "ld-linux")):
                self.assertIn(str(copy), line, "comes from the system, not from the folder")
        done = subprocess.run([installed, "run", "smoke", "--filter", "gemm/*", "--out", "r.json"], cwd=self.folder, capture_output=True,
                              text=True, env={"PATH": "/usr/bin:/bin"})
        self.assertEqual(done.returncode, 0, done.stderr[-2000:])
        self.assertTrue((copy / "configs" / "suites" / "quick.json").exists())


class Readme(unittest.TestCase):
    def test_tables_are_not_stale(self):
        done = subprocess.run([sys.executable, program.ROOT / "scripts" / "readme_tables", "--assay", program.PROGRAM, "--check"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)


if __name__ == "__main__":
    program.main(__name__)
