#!/usr/bin/env python3
"""Wrong commands, files and streams: one clear line, the right exit code, nothing left behind."""
import json
import os
import subprocess

import program


class Mistakes(program.Folder):
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
        done = program.assay("run", "smoke", "--out", "/proc/assay/x.json", cwd=self.folder)
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
        done = program.assay("devices", "--json", cwd=self.folder)
        if json.loads(done.stdout).get("gpus"):
            self.skipTest("this machine has a GPU")
        done = program.assay("run", "smoke", "--set", "device=gpu", "--out", "g.json", cwd=self.folder)
        self.assertIn(done.returncode, (2, 4), done.stderr)


class Streams(program.Folder):
    """Standard streams that are full, closed, or read by nobody."""
    CASES = ["run", "smoke", "--set", "device=cpu", "--filter", "gemm/cpu_blocked/*/m=1/n=1/*"]

    def shell(self, command):
        return subprocess.run(["bash", "-o", "pipefail", "-c", command, "bash", program.PROGRAM], cwd=self.folder, capture_output=True, text=True,
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


if __name__ == "__main__":
    program.main(__name__)
