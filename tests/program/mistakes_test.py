#!/usr/bin/env python3
"""Wrong commands, files and streams: one clear line, the right exit code, nothing left behind."""
import json
import os
import shutil
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
        self.refused(2, ["1 result,"], "compare", "x.json")

    def test_every_verb_names_a_flag_it_does_not_have(self):
        for verb in ("devices", "list", "run", "check", "compare", "fleet", "table", "project", "report", "export", "validate", "bundle"):
            self.refused(2, ["--nonsense", "its flags are"], verb, "--nonsense")

    def test_no_line_is_longer_than_anybody_reads(self):
        for command in (["fleet", "x.json", "--price", "-1"], ["fleet", "x.json", "--job-gpus", "0"], ["run", "smoke", "--timeout", "0"], ["report", "x.json", "--out", "p", "--kilobytes", "1"],
                        ["devices", "--expect-gpus", "-1"], ["check", "x.json", "--gpus", "0"]):
            done = program.assay(*command, cwd=self.folder)
            self.assertEqual((done.returncode, len(done.stderr.splitlines())), (2, 1), done.stderr)
            self.assertLess(len(done.stderr), 200, command)
            self.assertIn(command[-2], done.stderr)

    def test_a_number_is_one_and_in_its_range(self):
        takers = {"--expect-gpus": ["devices"], "--threads": ["list", "smoke"], "--timeout": ["run", "smoke"], "--gpus": ["check", "x.json"], "--least-tolerance": ["check", "x.json", "--learn"],
                  "--rounds": ["compare", "x.json", "x.json"], "--price": ["fleet", "x.json"], "--job-gpus": ["fleet", "x.json"], "--kilobytes": ["report", "x.json", "--out", "p.html"]}
        plan = ["project", "--cluster", "dgx-h100", "--model", "llama3-8b", "--gpus", "8"]
        takers.update({flag: plan for flag in ("--tp", "--zero", "--seq", "--mtp", "--expert-imbalance", "--tokens", "--failures", "--checkpoint-seconds", "--restart-seconds")})
        for flag, command in takers.items():
            more = ("1e308", "-1", "1e-320", "", "0x10", "\u0663") if flag in ("--timeout", "--job-gpus", "--failures") else ()
            for value in ("nan", "-inf", *more):
                self.refused(2, [flag, f'"{value}", expected a '], *command, flag, value)

    def test_a_flag_without_a_value_is_no_default(self):
        self.refused(2, ["--for"], "run", "soak", "--for", "")
        self.refused(2, ["--telemetry"], "run", "smoke", "--telemetry", "")
        self.refused(2, ["--nodes"], "fleet", "x.json", "--nodes", "")
        self.refused(2, ["--cluster"], "project", "--model", "llama3-8b", "--gpus", "8", "--cluster", "")
        for verb in (["table"], ["check"], ["validate"], ["fleet"], ["export", "--format", "junit"], ["bundle", "--out", "b.tar.gz"]):
            self.refused(2, ["result: is empty"], *verb, "")

    def test_what_would_be_left_out_is_refused(self):
        self.refused(2, ["--validate", "not --model"], "project", "--validate", "--model", "llama3-8b")

    def test_a_list_of_hosts_is_one(self):
        for name, text, words in (("r.json", '{"schema": 1}', ["r.json:1:", "no host name"]), ("void", "# none\n", ["names no host"]), ("slurm", "n1\nn[2-4]\n", ["slurm:2:", "n[2-4]"])):
            (self.folder / name).write_text(text)
            self.refused(2, words, "fleet", str(program.RESULT), "--nodes", name)

    def test_a_name_moves_no_cursor(self):
        done = program.assay("table", "a\033[2Jb.json", cwd=self.folder)
        self.assertEqual(done.returncode, 2)
        self.assertNotIn("\033", done.stderr)

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

    def read_by_every_verb(self, name, other, words):
        """One line that names the file, and exit code 2, whichever verb is to read it."""
        for verb in (["check"], ["check", "--learn"], ["table"], ["compare", other], ["fleet"], ["export", "--format", "junit"], ["report", "--out", "p.html"],
                     ["project", "--model", "llama3-8b", "--gpus", "8"], ["bundle", "--out", "b.tar.gz"]):
            self.refused(2, [name, *words], *verb, name)
        examined = program.assay("validate", name, cwd=self.folder)
        self.assertEqual(examined.returncode, 2)
        for word in (name, *words):
            self.assertIn(word, examined.stdout + examined.stderr)

    def test_every_verb_that_reads_a_result_names_the_file_and_the_place(self):
        good = program.RESULT.read_text()
        (self.folder / "good.json").write_text(good)
        lines = good.splitlines()
        record = next(i for i, line in enumerate(lines) if '"median_seconds":' in line)
        for name, text, words in (
            ("empty.json", "", ["is empty"]),
            ("truncated.json", good[:1000], [f":{good[:1000].count(chr(10)) + 1}:"]),
            ("words.json", "hello", [":1:1:"]),
            ("list.json", "[]", ["expected an object"]),
            ("nan.json", good.replace('"median_seconds":', '"median_seconds":NaN,"x":', 1), [f":{record + 1}:"]),
            ("suite.json", '{"schema": "assay-suite/1"}', ["/schema"]),
        ):
            (self.folder / name).write_text(text)
            self.read_by_every_verb(name, "good.json", words)
        self.read_by_every_verb("absent.json", "good.json", ["No such file"])
        (self.folder / "binary.json").write_bytes(bytes(range(256)) * 8)
        self.read_by_every_verb("binary.json", "good.json", [":1:1:"])
        (self.folder / "folder").mkdir()
        self.read_by_every_verb("folder", "good.json", ["folder:"])

    def test_a_fleet_says_what_it_could_not_read_beside_its_verdict(self):
        for i in range(3):
            (self.folder / f"n{i}.json").write_text(program.RESULT.read_text())
        (self.folder / "torn.json").write_text(program.RESULT.read_text()[:1000])
        (self.folder / "void.json").write_text("")
        done = program.assay("fleet", "n0.json", "torn.json", "void.json", "--unsealed", "--quiet", cwd=self.folder)
        self.assertEqual((done.returncode, done.stdout), (4, ""))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for word in ("torn.json:45:2: syntax error", "and 1 more file"):
            self.assertIn(word, done.stderr)
        shown = program.assay("fleet", "n0.json", "void.json", "--unsealed", cwd=self.folder)
        self.assertIn("void.json: is empty", shown.stdout)
        self.assertIn("void.json: is empty", shown.stderr)
        self.refused(2, ["void.json", "is empty"], "fleet", "n0.json", "--unsealed", "--baseline", "void.json")

    def test_every_verb_makes_the_folders_of_its_file_and_refuses_what_cannot_be_one(self):
        (self.folder / "r.json").write_text(program.RESULT.read_text())
        writers = {"t.md": ["table", "r.json", "--out"], "p.html": ["report", "r.json", "--out"], "x.xml": ["export", "r.json", "--format", "junit", "--out"],
                   "good.json": ["check", "--learn", "r.json", "--unsealed", "--out"], "j.xml": ["check", "r.json", "--unsealed", "--junit"], "c.prom": ["check", "r.json", "--unsealed", "--prometheus"],
                   "m.json": ["run", "smoke", "--set", "device=cpu", "--filter", "gemm/cpu_blocked/*/m=1/n=1/*", "--quiet", "--out"], "b.tar.gz": ["bundle", "m.json", "--out"]}
        (self.folder / "is-folder.tar.gz").mkdir()
        for name, command in writers.items():
            if name == "b.tar.gz":  # sealed results alone are sent
                shutil.copy(self.folder / "new" / "m.json" / "m.json", self.folder)
            program.assay(*command, f"new/{name}/{name}", cwd=self.folder)
            self.assertTrue((self.folder / "new" / name / name).stat().st_size > 0, command)
            self.refused(2, [f"r.json/{name}: cannot", "folder"], *command, f"r.json/{name}")
            self.refused(2, [f"/proc/assay/{name}", "cannot"], *command, f"/proc/assay/{name}")
            self.refused(2, ["is-folder.tar.gz: is "], *command, "is-folder.tar.gz")

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
