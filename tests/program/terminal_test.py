#!/usr/bin/env python3
"""What a person sees: every verb on terminals of several widths, without colour, piped, silent, and as JSON."""
import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios

import program
from program import ROOT, Folder

QUICK = ROOT / "results" / "amd-epyc-zen4" / "2026-11-29-c8f9266-quick.json"
COLOUR = re.compile("\033\\[[0-9;]*m")
RUN = ["run", "smoke", "--set", "device=cpu", "--filter", "gemm/cpu_blocked/*/m=1/n=1/*"]


def on_terminal(folder, columns, *arguments, **environment):
    """What the program writes to a terminal so wide."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    clean = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "TERM")}
    process = subprocess.Popen([program.PROGRAM, *map(str, arguments)], cwd=folder, stdin=subprocess.DEVNULL, stdout=slave, stderr=subprocess.DEVNULL, env={**clean, "TERM": "xterm", **environment})
    os.close(slave)
    out = b""
    while True:
        try:
            read = os.read(master, 1 << 16)
        except OSError:  # Linux's end of a terminal
            break
        if not read:
            break
        out += read
    process.wait()
    os.close(master)
    return out.decode().replace("\r\n", "\n")


class Terminal(Folder):
    def verbs(self):
        """Commands that print text for people."""
        return {"devices": ["devices"], "list": ["list", "quick"], "check": ["check", QUICK, "--max-age", "off"], "validate": ["validate", QUICK], "fleet": ["fleet", QUICK],
                "report": ["report", QUICK, "--out", "page.html"], "bundle": ["bundle", QUICK, "--out", "b.tar.gz"], "run": [*RUN, "--quiet", "--out", "r.json"],
                "compare": ["compare", QUICK, QUICK], "project": ["project", "--cluster", "dgx-h100", "--model", "llama3-8b", "--gpus", "8"]}

    def fresh(self):
        for file in self.folder.iterdir():
            file.unlink()

    def test_no_line_is_wider_than_the_terminal(self):
        for columns in (40, 80, 200):
            for verb, command in self.verbs().items():
                self.fresh()
                lines = COLOUR.sub("", on_terminal(self.folder, columns, *command)).splitlines()
                self.assertTrue(lines, verb)
                self.assertLessEqual(max(map(len, lines)), columns, f"{verb} at {columns}: {max(lines, key=len)}")

    def test_help_is_no_wider_and_says_every_flag(self):
        verbs = re.findall(r"^  (\w+) ", program.assay("--help").stdout.split("Verbs:")[1].split("\n\n")[0], re.M)
        self.assertIn("project", verbs)
        for verb in verbs:
            whole = program.assay(verb, "--help").stdout
            flags = re.findall(r"^  (?:-h, )?(--[a-z-]+)", whole, re.M)
            self.assertIn("--quiet", flags)
            for columns in (40, 80, 200):
                lines = COLOUR.sub("", on_terminal(self.folder, columns, verb, "--help")).splitlines()
                self.assertLessEqual(max(map(len, lines)), columns, f"{verb} at {columns}: {max(lines, key=len)}")
                self.assertEqual(re.findall(r"^  (?:-h, )?(--[a-z-]+)", "\n".join(lines), re.M), flags, verb)

    def test_help_says_ranges_defaults_and_names(self):
        for verb, words in {"compare": ["2 to 1000; default: 6"], "check": ["default: 7d", "amd-epyc-zen4"], "run": ["acceptance, all_reduce", "0.5 to 1000000"],
                            "project": ["llama3-405b", "dgx-h100", "default: 2048"], "report": ["required", "default: 1000"], "table": ["default: md"]}.items():
            text = " ".join(program.assay(verb, "--help").stdout.split())
            for word in words:
                self.assertIn(word, text, verb)

    def test_nothing_is_lost_on_a_narrow_one(self):
        ids = [record["id"] for record in json.loads(QUICK.read_text())["records"]]
        narrow = re.sub(r"\s", "", COLOUR.sub("", on_terminal(self.folder, 40, "check", QUICK, "--max-age", "off")))
        for case in ids:
            self.assertIn(case, narrow)

    def test_colour_is_for_terminals_that_want_it(self):
        check = ["check", QUICK, "--max-age", "off"]
        self.assertRegex(on_terminal(self.folder, 80, *check), COLOUR)
        for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
            self.assertNotRegex(on_terminal(self.folder, 80, *check, **environment), COLOUR)
        for verb, command in self.verbs().items():
            self.fresh()
            self.assertNotIn("\033", program.assay(*command, cwd=self.folder).stdout, verb)

    def test_a_pipe_has_a_line_a_case(self):
        lines = program.assay("check", QUICK, "--max-age", "off", cwd=self.folder).stdout.splitlines()
        self.assertEqual(sum("/seed=1:" in line for line in lines), len(lines) - 1, "and the verdict")

    def test_quiet_says_nothing_and_the_exit_code_all(self):
        for verb, command in self.verbs().items():
            self.fresh()
            loud = program.assay(*command, cwd=self.folder)
            self.fresh()
            quiet = program.assay(*command, *([] if "--quiet" in command else ["--quiet"]), cwd=self.folder)
            self.assertEqual(quiet.returncode, loud.returncode, verb)
            self.assertEqual(quiet.stderr, "", verb)
            if verb != "run":  # its rows are what it is run for: --quiet has no progress
                self.assertEqual(quiet.stdout, "", verb)
                self.assertNotEqual(loud.stdout, "", verb)

    def test_every_verb_has_json(self):
        commands = {**self.verbs(), "table": ["table", QUICK], "compare": ["compare", QUICK, QUICK], "verify": ["bundle", "--verify", "b.tar.gz"]}
        for verb, command in commands.items():
            if verb == "verify":
                self.run_ok("bundle", QUICK, "--out", "b.tar.gz")
            else:
                self.fresh()
            json.loads(program.assay(*command, "--json", cwd=self.folder).stdout)

    def test_exports(self):
        bencher = json.loads(self.run_ok("export", QUICK, "--format", "bencher").stdout)
        rows = json.loads(self.run_ok("table", QUICK, "--json").stdout)
        self.assertEqual(set(bencher), {row["id"] for row in rows if row["outcome"] == "ok"})
        self.assertTrue(json.loads(self.run_ok("export", QUICK, "--format", "google-benchmark").stdout)["benchmarks"])
        self.assertIn("# HELP assay_check_case_measured_rate", self.run_ok("export", QUICK, "--format", "prometheus").stdout)
        self.assertTrue(self.run_ok("export", QUICK, "--format", "junit").stdout.startswith("<?xml"))
        self.assertIn("# Avg bus bandwidth", self.run_ok("export", QUICK, "--format", "nccl-tests").stdout)
        self.refused(2, ["yaml"], "export", QUICK, "--format", "yaml")


if __name__ == "__main__":
    program.main(__name__)
