"""Several ranks, each with a GPU of its own, on functional GPUs: collectives, a training step, ranks that are lost."""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
import uuid
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "program"))
import program  # noqa: E402

SAMPLING = {"min_samples": 1, "max_samples": 1, "relative_half_width": 0.5, "wall_seconds": 0.001, "timeout_seconds": 100,
            "warmup_seconds": 0, "sustained_seconds": 0.01}
# A shell around each rank writes down how it ended, and outlives the SIGTERM with which mpirun ends the others.
WRAPPER = 'trap "" TERM; "$@"; code=$?; echo $code >"$CODES/$OMPI_COMM_WORLD_RANK"; exit $code'


def processes_of(mark):
    """Of this program: the shell around it carries the mark too."""
    return [pid for pid in program.processes_of(mark) if "assay" in (Path("/proc") / str(pid) / "comm").read_text()]


@unittest.skipUnless(shutil.which("mpirun"), "no mpirun")
class Ranks(program.Folder):
    def setUp(self):
        super().setUp()
        nccl = Path(os.environ.get("ASSAY_SIMT_NCCL", "")) / "libnccl.so.2"
        if not nccl.is_file():
            self.skipTest("this build has no NCCL")
        if not json.loads(self.run_ok("devices", "--json").stdout)["build"]["capabilities"]["mpi"]:
            self.skipTest("this build has no MPI")
        self.environment = {**os.environ, "LD_LIBRARY_PATH": str(nccl.parent), "OMP_NUM_THREADS": "1"}

    def mpirun(self, ranks, *command):
        return ["mpirun", *(["--allow-run-as-root"] if os.getuid() == 0 else []), "--oversubscribe", "--bind-to", "none", "-n",
                str(ranks), *map(str, command)]

    def suite(self, *cases, **sampling):
        path = self.folder / "suite.json"
        path.write_text(json.dumps({"schema": "assay-suite/1", "name": "own", "description": "a test's",
                                    "sampling": {**SAMPLING, **sampling},
                                    "cases": [{"device": "gpu", "kernel": "nccl", **case} for case in cases]}))
        return path

    def run_ranks(self, ranks, settings, suite):
        """The finished mpirun, and the result, if there is one."""
        out = self.folder / f"{ranks}.json"
        done = subprocess.run(self.mpirun(ranks, program.PROGRAM, "run", suite, "--anyway", "--quiet", "--out", out),
                              env={**self.environment, "ASSAY_SIMT": settings}, capture_output=True, text=True, timeout=300)
        return done, json.loads(out.read_text()) if out.exists() else None


class Collectives(Ranks):
    def all_right(self, ranks, settings, *cases):
        done, result = self.run_ranks(ranks, settings, self.suite(*cases))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        records = result["records"]
        self.assertEqual({record["outcome"] for record in records}, {"ok"}, done.stdout)
        self.assertEqual({record["case"]["axes"]["ranks"] for record in records}, {ranks})
        self.assertGreater(min(record["check"]["elements"] for record in records), 0)
        # Who measured: rank r on the GPU of that number, of which no two ranks have the same.
        gpus = result["provenance"]["run"]["gpus"]
        self.assertEqual([(gpu["rank"], gpu["index"]) for gpu in gpus], [(rank, rank) for rank in range(ranks)])
        self.assertEqual(len({gpu["pci_bus_id"] for gpu in gpus}), ranks)
        return records

    def every_operation(self, ranks, settings):
        reduce = {"workload": "all_reduce", "dtype": ["f32", "bf16", "f16"], "bytes": [16, 1000], "placement": ["in_place", "out_of_place"]}
        others = [{"workload": one, "dtype": "bf16", "bytes": 4800}
                  for one in ("all_gather", "reduce_scatter", "broadcast", "all_to_all", "send_recv")]
        large = {"workload": "all_reduce", "dtype": "f32", "bytes": 1048576}  # several pieces of what ranks show each other
        rooted = {"workload": "broadcast", "dtype": "f32", "bytes": 4800, "root": ranks - 1}
        records = self.all_right(ranks, settings, reduce, *others, large, rooted)
        self.assertEqual(len(records), 12 + 5 + 2)
        for record in records:
            self.assertIn(f"{ranks} GPUs, buffers user, a process for each GPU", record["description"])

    def test_two_ranks(self):
        self.every_operation(2, "devices=4,streams=random")

    def test_four_ranks(self):
        self.every_operation(4, "devices=4")

    def test_beside_a_product(self):
        self.all_right(2, "devices=2,streams=random", {
            "workload": "overlap", "kernel": "mma_sm80+nccl", "dtype": "bf16", "part": ["gemm", "all_reduce", "both"],
            "m": 64, "n": 64, "k": 64, "bytes": 4800})

    def test_more_ranks_than_gpus_are_refused_in_one_line(self):
        done, result = self.run_ranks(3, "devices=2", self.suite({"workload": "all_reduce", "dtype": "f32", "bytes": 16}))
        said = [line for line in done.stderr.splitlines() if "GPU" in line]
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertRegex(said[0], "^assay: no GPU for rank 2: 3 ranks see the same 2 GPUs of .*ppr:2:node")
        self.assertIsNone(result)


class Train(Ranks):
    def trained(self, ranks, buckets):
        command = [os.environ["ASSAY_SIMT_TRAIN_RANKS"], str(buckets)]
        done = subprocess.run(command if ranks == 1 else self.mpirun(ranks, *command), capture_output=True, text=True, timeout=300,
                              env={**self.environment, "ASSAY_SIMT": "devices=4,streams=random"})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return json.loads(done.stdout)

    def test_ranks_train_what_one_trains(self):
        alone = self.trained(1, 0)
        states = {}
        for ranks, buckets in ((2, 0), (2, 65536), (4, 65536)):
            with self.subTest(ranks=ranks, buckets=buckets):
                together = self.trained(ranks, buckets)
                self.assertEqual(together["ranks"], ranks)
                self.assertEqual(together["states"], [together["states"][0]] * ranks, "ranks have other parameters than each other")
                self.assertEqual(together["again"], together["states"], "the same steps again left other bits")
                self.assertTrue(together["gradients_right"], together["gradients"])
                self.assertEqual(together["buckets"] > 2, buckets > 0)
                # As ranks on CPUs (tests/program/train_step_test.py): they differ from one by the order of sums alone.
                self.assertAlmostEqual(together["losses"][0], alone["losses"][0], delta=1e-6)
                self.assertAlmostEqual(together["losses"][-1], alone["losses"][-1], delta=1e-4)
                self.assertLess(together["losses"][-1], together["losses"][0])
                states[ranks, buckets] = together["states"][0]
        self.assertEqual(states[2, 0], states[2, 65536], "two summands have one sum, in buckets or not")


class Lost(Ranks):
    SECONDS = 5  # that a rank may keep the others waiting

    def started(self, ranks, suite, **environment):
        self.codes, self.mark = self.folder / "codes", f"ASSAY_TEST_RUN={uuid.uuid4()}"
        self.codes.mkdir()
        name, value = self.mark.split("=")
        return subprocess.Popen(self.mpirun(ranks, "sh", "-c", WRAPPER, "rank", program.PROGRAM, "run", suite, "--anyway", "--quiet", "--out",
                                            self.folder / "out.json", "--timeout", self.SECONDS),
                                env={**self.environment, "ASSAY_SIMT": "devices=4", "CODES": str(self.codes), name: value, **environment},
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def ended(self, run):
        """What was said, when all are gone."""
        said = run.communicate(timeout=90)[0]
        for _ in range(100):
            if not processes_of(self.mark):
                break
            time.sleep(0.1)
        self.assertEqual(processes_of(self.mark), [], said)
        return said

    def endless(self):
        first = {"workload": "all_reduce", "dtype": "f32", "bytes": 16}
        return self.suite(first, {**first, "bytes": 4800, "placement": "in_place"}, min_samples=100000, max_samples=100000, wall_seconds=200)

    def rank_in_launches(self, run, rank):
        journal = self.folder / "out.json.journal"
        for _ in range(600):
            self.assertIsNone(run.poll(), "it ended by itself")
            if journal.exists() and '"begin"' in journal.read_text():
                time.sleep(1.5)
                for pid in processes_of(self.mark):
                    if f"OMPI_COMM_WORLD_RANK={rank}".encode() in program.environment_of(pid).split(b"\0"):
                        return pid
            time.sleep(0.1)
        self.fail("the case does not begin")

    def strike(self, signal_number, culprit, ranks):
        with self.started(ranks, self.endless()) as run:
            pid = self.rank_in_launches(run, culprit)
            os.kill(pid, signal_number)
            said = self.ended(run)
        self.assertRegex(said, f"assay: lost rank {culprit} \\([^,]+, pid {pid}, gpu{culprit}\\)")
        for code in self.codes.iterdir():
            if code.name != str(culprit):
                self.assertEqual(code.read_text().strip(), "4", said)
        self.assertTrue((self.codes / "0").exists(), said)

    def test_killed(self):
        self.strike(signal.SIGKILL, 1, 2)

    def test_stopped(self):
        self.strike(signal.SIGSTOP, 2, 3)

    def test_no_connection_comes_about(self):
        with self.started(2, self.endless(), ASSAY_SIMT_NCCL_STUCK="1") as run:
            said = self.ended(run)
        self.assertRegex(said, "no rank is behind: all 2 are in operation .* while preparing all_reduce")
        self.assertEqual((self.codes / "0").read_text().strip(), "4", said)
        for left in Path("/dev/shm").glob(f"assay-simt-nccl-{re.search('rank 0 .*?pid ([0-9]+)', said)[1]}-*"):
            left.unlink()  # the memory in which rank 0 waited: it keeps its name until all have come


if __name__ == "__main__":
    program.main(__name__)
