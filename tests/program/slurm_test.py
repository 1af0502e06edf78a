#!/usr/bin/env python3
"""Jobs in a real Slurm on loopback: two tasks that measure an all-reduce together, and tasks that do not know of each
other, which must not measure.

usage: slurm_test.py --assay ASSAY --scripts FOLDER      exit 77 where there can be no Slurm here
"""
import argparse
import json
import sys
import tempfile
import time
import unittest
from pathlib import Path

from slurm_cluster import Cluster, Unavailable

ASSAY = SCRIPTS = CLUSTER = None
SUITE = {
    "schema": "assay-suite/1", "name": "slurm", "description": "what two tasks measure in a second or two",
    "sampling": {"min_samples": 6, "max_samples": 20, "wall_seconds": 0.3, "warmup_seconds": 0.01},
    "cases": [{"workload": "all_reduce", "kernel": "*", "device": "cpu", "dtype": ["f32"], "bytes": [4096]}],
}


class Slurm(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = Path(self.temporary.name)
        (self.folder / "two.json").write_text(json.dumps(SUITE))

    def submit(self, **settings):
        """The job's exit code, its log, and its result's path."""
        out = self.folder / "result.json"
        environment = {"ASSAY": ASSAY, "ASSAY_OUT": str(self.folder), "OMPI_ALLOW_RUN_AS_ROOT": "1",
                       "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1", **settings}
        job = CLUSTER.run("sbatch", "--wait", "--nodes=1", "--ntasks-per-node=2", f"--output={self.folder}/job.log",
                          Path(SCRIPTS) / "slurm" / "assay.sbatch", self.folder / "two.json", "--out", out, timeout=180,
                          environment=environment, folder=self.folder)
        log = self.folder / "job.log"
        for _ in range(50):  # the batch step's output may come after its end
            if log.exists():
                break
            time.sleep(0.1)
        return job.returncode, job.stderr + (log.read_text() if log.exists() else "no log"), out

    def check(self, launcher, source):
        code, log, out = self.submit(ASSAY_MPI=launcher)
        self.assertEqual(code, 0, log)
        result = json.loads(out.read_text())
        self.assertTrue(result["complete"], log)
        self.assertEqual(result["provenance"]["run"]["ranks"], 2, log)
        self.assertEqual(result["provenance"]["run"]["launcher"], source)
        measured = {r["case"]["kernel"]: r for r in result["records"] if r["outcome"] == "ok"}
        self.assertIn("openmpi", measured, log)
        self.assertIn("shm_ring", measured, log)
        for record in measured.values():
            self.assertIn("ranks=2", record["id"])
            self.assertEqual(record["check"]["wrong"], 0)
            self.assertGreater(record["check"]["elements"], 0)

    def test_srun_with_pmix(self):
        self.check("pmix", "PMIx (PMIX_RANK)")

    def test_mpirun_inside_the_job(self):
        self.check("mpirun", "Open MPI (OMPI_COMM_WORLD_SIZE)")

    def test_tasks_that_do_not_know_of_each_other_do_not_measure(self):
        for plugin in ("none", "pmi2"):
            with self.subTest(plugin=plugin):
                code, log, out = self.submit(ASSAY_MPI=plugin)
                self.assertEqual(code, 4, log)
                self.assertFalse(out.exists(), log)
                self.assertRegex(log, "assay: ", log)
                self.assertIn("use srun --mpi=pmix", log)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--assay", required=True)
    parser.add_argument("--scripts", required=True)
    options, rest = parser.parse_known_args()
    ASSAY, SCRIPTS = options.assay, options.scripts
    try:
        CLUSTER = Cluster(cpus=2)
    except Unavailable as reason:
        print(f"skipped: {reason}")
        sys.exit(77)
    with CLUSTER:
        unittest.main(argv=[sys.argv[0], *rest], verbosity=2, exit=False).result.wasSuccessful() or sys.exit(1)
