#!/usr/bin/env python3
"""What `assay check --prometheus` writes, read by Prometheus's own promtool, which lints it too; skipped without one."""
import json
import shutil
import subprocess
import sys

import check_test
import program


class Promtool(program.Folder):
    def setUp(self):
        super().setUp()
        (self.folder / "small.json").write_text(json.dumps(check_test.SUITE))
        self.run_ok("run", "small.json", "--quiet", "--out", "r.json")
        self.run_ok("check", "--learn", "r.json", "--least-tolerance", "0.6", "--out", "good.json")

    def accepted(self, codes, *arguments):
        done = program.assay("check", *arguments, "--prometheus", "p.prom", cwd=self.folder)
        self.assertIn(done.returncode, codes, done.stdout + done.stderr)
        metrics = (self.folder / "p.prom").read_text()
        self.assertIn(f"assay_check_exit_code {done.returncode}\n", metrics)
        told = subprocess.run(["promtool", "check", "metrics"], input=metrics, text=True, capture_output=True)
        self.assertEqual((told.returncode, told.stdout, told.stderr), (0, "", ""), metrics)
        return metrics

    def test_it_accepts_every_verdict(self):
        self.assertIn('standing="pass"', self.accepted([0], "r.json", "--expect", "good.json"))
        expected = json.loads((self.folder / "good.json").read_text())
        for entry in expected["expectations"]:
            entry["value"] *= 1.9 / (1 - entry["tolerance"])
        (self.folder / "fast.json").write_text(json.dumps(expected))
        self.accepted([1, 4], "r.json", "--expect", "fast.json")  # 4 where other work disturbed the case
        (self.folder / "other.json").write_text((self.folder / "good.json").read_text().replace("m=128", "m=129"))
        self.accepted([4], "r.json", "--expect", "other.json")

    def test_it_accepts_any_name_and_no_series_twice(self):
        for name in ['quoted "a".json', "back\\slash.json", "line\nbreak.json", "für {a=1}.json"]:
            shutil.copy(self.folder / "r.json", self.folder / name)
            self.accepted([0], name, "r.json", "r.json", "--expect", "good.json")

    def test_it_would_refuse_what_is_wrong(self):
        """Else the others prove nothing."""
        for text in ["assay_check_exit_code one\n", "# TYPE a gauge\na 1\n# TYPE a gauge\na 2\n"]:
            told = subprocess.run(["promtool", "check", "metrics"], input=text, text=True, capture_output=True)
            self.assertNotEqual(told.returncode, 0, text)


if __name__ == "__main__":
    if not shutil.which("promtool"):
        print("skipped: no promtool (Debian: in the package prometheus)")
        sys.exit(77)
    program.main(__name__)
