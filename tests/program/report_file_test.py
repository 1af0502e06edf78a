#!/usr/bin/env python3
"""The report page as a file: how large it is, what it holds, what comes back out of it.  Needs no browser."""
import hashlib
import json
import subprocess

import gpu_fixture
import program
from program import ROOT, Folder

QUICK = ROOT / "results" / "amd-epyc" / "2026-11-23-7876e77-quick.json"
GEMM = ROOT / "results" / "amd-epyc-zen4" / "2026-11-29-0bf0b58-gemm.json"


class ReportFile(Folder):
    def unpacked(self, element, page="page.html"):
        """As the page says it is done."""
        command = f"grep -A1 'id=\"{element}\"' {page} | tail -n1 | base64 -d | gunzip"
        return subprocess.run(["sh", "-c", command], cwd=self.folder, check=True, capture_output=True).stdout

    def test_a_page_of_two_hundred_cases_stays_under_a_megabyte(self):
        done = json.loads(self.run_ok("report", GEMM, "--out", "page.html", "--json").stdout)
        self.assertGreaterEqual(done["cases"], 200)
        self.assertEqual(done["bytes"], (self.folder / "page.html").stat().st_size)
        self.assertLess(done["bytes"], 1_000_000)
        self.assertEqual(done["every"], 1, "whole: nothing was left out")

    def test_the_results_come_back_as_the_page_says(self):
        self.run_ok("report", QUICK, "--out", "page.html")
        page = (self.folder / "page.html").read_text()
        command = "grep -A1 'id=\"archive-0\"' PAGE.html | tail -n1 | base64 -d | gunzip > result.json"
        self.assertIn(command, page)
        subprocess.run(["sh", "-c", command.replace("PAGE", "page")], cwd=self.folder, check=True)
        self.assertEqual(self.unpacked("archive-0"), QUICK.read_bytes())
        self.assertEqual((self.folder / "result.json").read_bytes(), QUICK.read_bytes())
        examined = json.loads(program.assay("validate", "--json", self.folder / "result.json").stdout)[0]
        self.assertEqual((examined["sha256"], examined["broken"]), (hashlib.sha256(QUICK.read_bytes()).hexdigest(), ""))

    def test_a_smaller_page_holds_fewer_samples_and_says_so(self):
        done = json.loads(self.run_ok("report", QUICK, "--out", "page.html", "--kilobytes", 170, "--json").stdout)
        self.assertGreater(done["every"], 1)
        self.assertTrue(done["rounded"], "digits go before samples")
        self.assertLessEqual(done["bytes"], 170_000)
        (self.folder / "result.json").write_bytes(self.unpacked("archive-0"))
        thinned = json.loads((self.folder / "result.json").read_text())
        self.assertEqual(thinned["provenance"]["thinned"]["sha256_of_whole"], hashlib.sha256(QUICK.read_bytes()).hexdigest())
        self.run_ok("table", "result.json")
        (self.folder / "changed.json").write_text((self.folder / "result.json").read_text().replace('"quick"', '"quack"'))
        self.refused(2, ["changed.json", "seal"], "report", "changed.json", "--out", "p.html")
        digits = thinned["provenance"]["thinned"]["digits"]
        before = json.loads(QUICK.read_text())["records"]
        for old, new in zip(before, thinned["records"]):
            if old["measurement"]:
                stride = min(done["every"], max(1, len(old["measurement"]["seconds"]) // 20))
                self.assertEqual(new["measurement"]["seconds"], [float(f"{t:.{digits}g}") for t in old["measurement"]["seconds"][::stride]])

    def test_six_nodes_of_eight_gpus_fit_into_a_megabyte(self):
        files = [gpu_fixture.write(self.folder / f"n{i}.json", gpu_fixture.node(f"gpu-node-{i:02}.example").result()) for i in range(6)]
        done = json.loads(self.run_ok("report", *files, "--unsealed", "--out", "page.html", "--json").stdout)
        self.assertEqual((done["results_shown"], done["cases"]), (6, 720))
        self.assertLessEqual(done["bytes"], 1_000_000)
        for i, file in enumerate(files):
            before, kept = json.loads(file.read_text())["records"], json.loads(self.unpacked(f"archive-{i}"))["records"]
            self.assertEqual([r["id"] for r in kept], [r["id"] for r in before])
            self.assertGreaterEqual(min(len(r["measurement"]["seconds"]) for r in kept), 20)
            self.assertGreaterEqual(min(len(t["readings"]["seconds"]) for r in kept for t in r["telemetry"]), 10)
        # What tables show is of all samples, whatever was left out of the archives.
        columns = json.loads(self.unpacked("data"))["cases"]["columns"]
        rows = json.loads(self.run_ok("table", *files, "--format", "json").stdout)
        self.assertEqual(columns["seconds"], [row["seconds"] for row in rows])

    def test_a_page_of_any_size_holds_the_results_whole(self):
        files = [gpu_fixture.write(self.folder / f"n{i}.json", gpu_fixture.node(f"gpu-node-{i:02}.example").result()) for i in range(2)]
        done = json.loads(self.run_ok("report", *files, "--unsealed", "--out", "page.html", "--kilobytes", 100000, "--json").stdout)
        self.assertEqual((done["every"], done["rounded"], done["without_ranks"]), (1, False, False))
        for i, file in enumerate(files):
            self.assertEqual(self.unpacked(f"archive-{i}"), file.read_bytes())

    def test_two_hundred_cases_of_gpus_with_their_telemetry_fit_too(self):
        gpu_fixture.write(self.folder / "wide.json", gpu_fixture.node(wide=True).result())
        done = json.loads(self.run_ok("report", "wide.json", "--unsealed", "--out", "page.html", "--json").stdout)
        self.assertGreaterEqual(done["cases"], 200)
        self.assertLess(done["bytes"], 1_000_000)
        self.assertEqual(done["every"], 1)

    def test_mistakes(self):
        result = self.folder / "r.json"
        result.write_text(QUICK.read_text())
        self.refused(2, ["r.json", "one of the results"], "report", "r.json", "--out", "r.json")
        self.refused(2, ["--out"], "report", "r.json")
        self.refused(2, ["absent.json"], "report", "absent.json", "--out", "p.html")
        result.write_text(QUICK.read_text()[:1000])
        self.refused(2, ["r.json"], "report", "r.json", "--out", "p.html")


if __name__ == "__main__":
    program.main(__name__)
