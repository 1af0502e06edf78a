#!/usr/bin/env python3
"""Folders of results as `assay run` leaves them, and as a shell passes them on."""
import os

import program

ONE_CASE = ["--set", "device=cpu", "--filter", "gemm/cpu_blocked/*/m=1/n=1/*", "--quiet"]


class Folders(program.Folder):
    def setUp(self):
        super().setUp()
        self.run_ok("run", "smoke", *ONE_CASE, "--out", "out/node1.json")
        self.beside = self.folder / "out" / "node1.gbench.json"
        self.assertTrue(self.beside.exists())

    def read_by(self, *words):
        """Every verb that takes folders, and what it says of these."""
        for verb in (["table"], ["validate"], ["check", "--max-age", "off"], ["report", "--out", "p.html"], ["bundle", "--out", "b.tar.gz"], ["fleet"]):
            done = program.assay(*verb, *words, cwd=self.folder)
            (self.folder / "b.tar.gz").unlink(missing_ok=True)
            yield verb[0], done

    def test_what_run_writes_beside_a_result_is_none(self):
        for words in (["out"], ["out/*.json"], sorted(str(p) for p in (self.folder / "out").glob("*.json"))):
            for verb, done in self.read_by(*words):
                self.assertNotIn("gbench", done.stdout + done.stderr, verb)
                self.assertNotEqual(done.returncode, 2, f"{verb}: {done.stderr}")

    def test_it_is_named_where_it_is_alone(self):
        self.refused(2, ["node1.gbench.json"], "table", "out/node1.gbench.json")

    def test_links_that_lead_nowhere(self):
        os.symlink("loop", self.folder / "out" / "loop")
        self.assertNotEqual(program.assay("validate", "out", cwd=self.folder).returncode, 2)
        os.symlink("absent.json", self.folder / "out" / "gone.json")
        for verb, done in self.read_by("out"):
            self.assertIn(done.returncode, (2, 4) if verb == "fleet" else (2,), verb)
            self.assertIn("gone.json", done.stderr, verb)

    def test_a_bundle_of_any_name_is_read_again(self):
        (self.folder / "out" / "node1.json").rename(self.folder / "n\u00f6de \u6d4b.json")
        for locale in ("C", "C.UTF-8"):
            environment = {**os.environ, "LC_ALL": locale}
            self.run_ok("bundle", "n\u00f6de \u6d4b.json", "--out", f"b\u00fc-{locale}.tar.gz", env=environment)
            self.run_ok("bundle", "--verify", f"b\u00fc-{locale}.tar.gz", env=environment)


if __name__ == "__main__":
    program.main(__name__)
