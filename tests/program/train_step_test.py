#!/usr/bin/env python3
"""A training step as a user meets it: its record, ranks that train the same model, its verdict in check and fleet."""
import json
import os
import re
import shutil
import signal
import subprocess
import time
import unittest
import uuid
from pathlib import Path

import program

SIZES = {"layers": 2, "hidden": 64, "heads": 4, "kv_heads": 2, "head_dim": 32, "feed_forward": 160, "vocabulary": 256}


def suite(**more):
    case = {"workload": "train_step", "kernel": "step_cpu", "device": "cpu", "dtype": "f32", "cache": "hot", "batch": 8, "sequence": 32}
    return {
        "schema": "assay-suite/1", "name": "small", "description": "for a test",
        "sampling": {"min_samples": 5, "max_samples": 10, "wall_seconds": 5, "warmup_seconds": 0, "timeout_seconds": 60},
        "cases": [{**case, **SIZES, **more}],
    }


class TrainStep(program.Folder):
    def measured(self, out="r.json", ranks=1, **more):
        (self.folder / "small.json").write_text(json.dumps(suite(**more)))
        command = [program.PROGRAM, "run", "small.json", "--quiet", "--out", out]
        if ranks > 1:
            command = ["mpirun", *(["--allow-run-as-root"] if os.getuid() == 0 else []), "--oversubscribe", "--bind-to", "none",
                       "-n", str(ranks), *command]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.text = done.stdout
        return json.loads((self.folder / out).read_text())["records"]

    def details(self, record):
        return {name: detail["value"] for name, detail in record["details"].items()}

    def test_record_holds_what_a_step_is_judged_by(self):
        (record,) = self.measured()
        self.assertEqual(record["outcome"], "ok")
        self.assertGreater(record["check"]["elements"], 100000)  # every gradient
        details = self.details(record)
        for name in ("flops_full_attention", "flops_causal", "flops_recomputed", "flops_6n", "seconds_gemm", "seconds_attention",
                     "seconds_pointwise", "seconds_cross_entropy", "seconds_optimizer", "seconds_projected", "peak_flops_per_second",
                     "bytes_activations", "loss_first", "loss_last"):
            self.assertGreater(details[name], 0, name)
        self.assertEqual(details["seconds_communication"], 0)
        self.assertEqual(details["gradients_compared"], details["gradients"])
        self.assertEqual(details["gradient_tokens_compared"], 256)
        self.assertLessEqual(details["seconds_projected_low"], details["seconds_projected"])
        self.assertLessEqual(details["seconds_projected"], details["seconds_projected_high"])
        self.assertLess(details["loss_last"], details["loss_first"] - 0.5)
        curve = record["losses"]
        self.assertEqual(curve["steps"], list(range(1, 31)))
        self.assertEqual(curve["losses"][0], details["loss_first"])
        self.assertAlmostEqual(sum(curve["losses"][-5:]) / 5, details["loss_last"], delta=1e-12)
        self.assertLess(details["loss_last"], details["loss_required"])
        self.assertNotIn("cpu_losses", curve)  # it is a CPU
        self.run_ok("table", "r.json")
        for words in ("tokens/s", "MFU: full attention", "recomputed", "6N", "GEMM", "loss:", "gradients beside fp64: all",
                      "step projected from its kernels:"):
            self.assertIn(words, self.text)
        # Tokens a second and the FLOP of 6N say the same of one model.
        tokens = float(re.search(r"(\d+) tokens/s", self.text).group(1))
        self.assertAlmostEqual(tokens, 256 / record["summary"]["median_seconds"], delta=1 + tokens / 100)

    @unittest.skipUnless(shutil.which("mpirun"), "no mpirun")
    def test_ranks_train_the_model_that_one_trains(self):
        if not json.loads(self.run_ok("devices", "--json").stdout)["build"]["capabilities"]["mpi"]:
            self.skipTest("this build has no MPI")
        alone = self.details(self.measured("1.json")[0])
        for ranks, buckets in ((2, 0), (4, 0), (4, 65536)):
            (record,) = self.measured(f"{ranks} {buckets}.json", ranks, bucket_bytes=buckets)
            self.assertEqual(record["case"]["axes"]["ranks"], ranks)
            together = self.details(record)
            self.assertGreater(together["seconds_communication"], 0)
            # The ranks differ from one by the order of sums in fp32 alone, 1e-8 of the loss after 30 steps.  AdamW divides each gradient
            # by its own size, so that those of a few elements that are nearly zero may turn with it: hence 1e-4.
            self.assertAlmostEqual(together["loss_first"], alone["loss_first"], delta=1e-6)
            self.assertAlmostEqual(together["loss_last"], alone["loss_last"], delta=1e-4)

    @unittest.skipUnless(shutil.which("mpirun"), "no mpirun")
    def test_gradients_in_buckets_train_the_same_bits(self):
        if not json.loads(self.run_ok("devices", "--json").stdout)["build"]["capabilities"]["mpi"]:
            self.skipTest("this build has no MPI")
        after, beside = self.measured("r.json", 2, bucket_bytes=[0, 65536])
        self.assertNotIn("bucket_bytes", after["case"]["axes"])  # ids of older results
        self.assertEqual(beside["case"]["axes"]["bucket_bytes"], 65536)
        # Two summands have one sum, and ours are added in the order of ranks, whatever the message: the same bits.
        self.assertEqual(after["check"]["digest"], beside["check"]["digest"])
        after, beside = self.details(after), self.details(beside)
        self.assertEqual((after["gradient_buckets"], beside["gradient_buckets"] > 5), (0, True))
        for details in (after, beside):
            self.assertGreater(details["seconds_all_reduce_alone"], 0)
            self.assertGreaterEqual(details["seconds_exposed_communication"], 0)
            self.assertTrue(0 <= details["hidden_communication"] <= 1, details)
        for words in ("alone; after backward, the step is", "buckets beside backward, the step is", "% hidden"):
            self.assertIn(words, self.text)
        # Of MPI's sums, which the side thread calls.
        if json.loads(self.run_ok("devices", "--json").stdout)["build"]["capabilities"]["onednn"]:
            (vendors,) = self.measured("mpi.json", 2, kernel="onednn_step_cpu", bucket_bytes=65536)
            self.assertAlmostEqual(self.details(vendors)["loss_last"], after["loss_last"], delta=1e-4)

    @unittest.skipUnless(shutil.which("mpirun"), "no mpirun")
    def test_a_rank_that_dies_within_a_step_ends_the_others(self):
        if not json.loads(self.run_ok("devices", "--json").stdout)["build"]["capabilities"]["mpi"]:
            self.skipTest("this build has no MPI")
        # Steps of some 100 ms, most of which is backward, in many buckets: killed anywhere, it is soon within one.
        sizes = {"layers": 4, "hidden": 256, "heads": 4, "kv_heads": 2, "head_dim": 64, "feed_forward": 704, "sequence": 128}
        text = suite(bucket_bytes=262144, **sizes)
        text["sampling"].update(min_samples=100000, max_samples=100000, wall_seconds=50)
        (self.folder / "small.json").write_text(json.dumps(text))
        mark = f"ASSAY_TEST_MARK={uuid.uuid4()}"
        command = ["mpirun", *(["--allow-run-as-root"] if os.getuid() == 0 else []), "--oversubscribe", "--bind-to", "none", "-n", "2",
                   "env", mark, program.PROGRAM, "run", "small.json", "--out", "r.json"]
        process = subprocess.Popen(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        journal = self.folder / "r.json.journal"
        while process.poll() is None and not (journal.exists() and '{"begin"' in journal.read_text()):
            time.sleep(0.05)
        time.sleep(1)  # it measures by then, or prepares to: it has to end either way
        ranks = [pid for pid in program.processes_of(mark) if b"OMPI_COMM_WORLD_RANK=1" in program.environment_of(pid)]
        self.assertEqual(len(ranks), 1, ranks)
        os.kill(ranks[0], signal.SIGKILL)
        said = process.communicate(timeout=40)[0]
        self.assertIn("lost rank 1", said)
        self.assertNotEqual(process.returncode, 0)
        for _ in range(50):
            if not program.processes_of(mark):
                break
            time.sleep(0.1)
        self.assertEqual(program.processes_of(mark), [])

    def test_check_judges_a_step_as_any_case(self):
        self.measured()
        self.run_ok("check", "--learn", "r.json", "--least-tolerance", "0.6", "--out", "good.json")
        self.run_ok("check", "r.json", "--expect", "good.json")
        expected = json.loads((self.folder / "good.json").read_text())
        self.assertTrue(expected["expectations"][0]["case"].startswith("train_step/step_cpu/cpu/f32/"), expected["expectations"])
        for entry in expected["expectations"]:
            entry["value"] *= 1.9 / (1 - entry["tolerance"])
        (self.folder / "fast.json").write_text(json.dumps(expected))
        self.assertIn(program.assay("check", "r.json", "--expect", "fast.json", cwd=self.folder).returncode, (1, 4))

    def test_mistakes_get_one_line(self):
        for more, words in (({"batch": 8, "ranks": 3}, ["batch=8", "ranks=3"]), ({"kv_heads": 3}, ["heads=4", "kv_heads=3"]),
                            ({"cache": "cold"}, ["cache=hot"]), ({"vocabulary": 64}, ["at least 128"])):
            (self.folder / "small.json").write_text(json.dumps(suite(**more)))
            self.refused(2, words, "run", "small.json", "--out", "r.json")
        text = suite(model="mixtral-8x7b")
        for axis in SIZES:
            del text["cases"][0][axis]
        (self.folder / "small.json").write_text(json.dumps(text))
        self.refused(2, ["mixtral-8x7b", "Llama-style"], "run", "small.json", "--out", "r.json")


if __name__ == "__main__":
    program.main(__name__)
