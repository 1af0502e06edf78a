"""The whole program on the functional GPU: what it measures there has no speed, but is checked as everywhere."""
import json
import os
import sys
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "program"))
import program  # noqa: E402

# One launch a sample and one sample: each takes milliseconds of simulation.
SAMPLING = {"min_samples": 1, "max_samples": 1, "relative_half_width": 0.5, "wall_seconds": 0.001, "timeout_seconds": 100,
            "warmup_seconds": 0, "sustained_seconds": 0.01}


class OnSimt(program.Folder):
    def run_on_simt(self, settings, suite, more=(), **environment):
        """The finished process, and the records by case id of what it saved."""
        result = self.folder / "out.json"
        done = program.assay("run", suite, "--anyway", "--quiet", "--out", result, *more, cwd=self.folder,
                             env={**os.environ, **environment, "ASSAY_SIMT": settings})
        records = json.loads(result.read_text())["records"] if result.exists() else []
        return done, {record["id"]: record for record in records}

    def suite(self, *cases, **keys):
        path = self.folder / "suite.json"
        path.write_text(json.dumps({"schema": "assay-suite/1", "name": "own", "description": "a test's", "sampling": SAMPLING,
                                    **keys, "cases": [{"device": "gpu", **case} for case in cases]}))
        return path


SWIGLU = {"workload": "swiglu", "dtype": "f32", "pass": "forward", "inputs": "separate", "tokens": 5, "ffn": 33}
GELU = {"workload": "gelu", "dtype": "f32", "pass": "forward", "tokens": 5, "ffn": 33}


STEP = {"workload": "train_step", "kernel": ["step_sm90", "step_sm100"], "dtype": "bf16", "layers": 1, "hidden": 64, "heads": 2, "kv_heads": 1, "head_dim": 64,
        "feed_forward": 64, "vocabulary": 128, "batch": 1, "sequence": 24, "cache": "hot"}


class AllRight(OnSimt):
    def all_right(self, settings, suite):
        done, records = self.run_on_simt(settings, suite)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-2000:])
        wrong = {case: record["reason"] for case, record in records.items() if record["outcome"] != "ok"}
        self.assertEqual(wrong, {})
        unchecked = [case for case, record in records.items() if not record["check"]["elements"]]
        self.assertEqual([case for case in unchecked if "peak_floor" not in case], [])
        return {case.split("/")[0] for case in records}


class Kernels(AllRight):
    def every_workload(self, settings):
        self.assertEqual(len(self.all_right(settings, HERE / "tiny.json")), 3 + 12)

    def test_lazy(self):
        self.every_workload("async=lazy")

    def test_eager(self):
        self.every_workload("async=eager")

    def test_random(self):
        self.every_workload("async=random,streams=random,races=global")


class Architectures(AllRight):
    """The kernels that one architecture alone runs.  Each test needs objects with PTX for it."""

    def test_sm90(self):
        self.assertEqual(self.all_right("sm=90,async=random", HERE / "tiny_sm90.json"), {"peak", "gemm", "grouped_gemm", "attention"})

    def test_sm100(self):
        self.assertEqual(self.all_right("sm=100,async=random", HERE / "tiny_sm100.json"), {"peak", "gemm", "attention"})


class TrainingStep(AllRight):
    """The whole workload: gradients against fp64, losses against the CPU's, bits repeated, what was learnt, times by class."""

    def test_sm90(self):
        # One thread: the simulation has no more, and what else the host computes here is small.
        done, records = self.run_on_simt("sm=90,races=off,streams=random", self.suite(STEP), OMP_NUM_THREADS="1")
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr[-2000:])
        outcomes = {record["case"]["kernel"]: record["outcome"] for record in records.values()}
        self.assertEqual((outcomes["step_sm90"], outcomes["step_sm100"]), ("ok", "skipped"), done.stdout)
        record = next(one for one in records.values() if one["case"]["kernel"] == "step_sm90")
        said = {name: detail.get("value") for name, detail in record["details"].items()}
        self.assertEqual(said["peak_kernel"], "peak_wgmma_sm90")
        for number in ("loss_difference_from_cpu", "seconds_attention", "seconds_gemm", "seconds_projected", "peak_flops_per_second"):
            self.assertGreater(said[number], 0, number)
        self.assertLess(said["loss_last"], said["loss_first"] - 1)


class Devices(OnSimt):
    def test_named_for_what_it_is(self):
        gpu, = json.loads(self.run_ok("devices", "--json").stdout)["gpus"]
        self.assertEqual(gpu["name"], "functional GPU (tests/simt)")
        self.assertEqual((gpu["compute_capability"], gpu["multiprocessors"]), (80, 2))
        self.assertEqual((gpu["clock_khz"], gpu["memory_bus_bits"]), (0, 0), "nothing to compute a peak from")

    def test_two_of_them(self):
        done, records = self.run_on_simt("devices=2", self.suite(SWIGLU))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(sorted(record["case"]["device_index"] for record in records.values()), [0, 1])

    def test_together(self):
        done, records = self.run_on_simt("devices=2", self.suite(SWIGLU, together=True))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual([record["outcome"] for record in records.values()], ["ok"] * len(records))
        self.assertEqual(sorted(record["case"]["device_index"] for record in records.values()), [0, 0, 1, 1], "alone, and at once")

    def test_soak(self):
        soak = {"seconds": 0.5, "throttle_percent": 50, "throttle_seconds": 10, "digest_share": 0.5}
        mma = {"workload": "gemm", "kernel": "mma_sm80", "dtype": "bf16", "layout": "tn", "m": 16, "n": 16, "k": 16}
        done, records = self.run_on_simt("devices=2", self.suite(mma, SWIGLU, soak=soak, defaults={"mode": "sustained", "cache": "hot"}))
        self.assertIn(done.returncode, (0, 1), done.stdout + done.stderr)  # 1: a busy machine's simulation slowed down
        self.assertEqual({record["outcome"] for record in records.values()}, {"ok"}, done.stdout)
        self.assertEqual(len(records), 4)

    def test_too_little_memory_is_said_and_no_fault(self):
        done, records = self.run_on_simt("memory=4194304", self.suite({**SWIGLU, "tokens": 1024}, GELU))
        large, small = records.values()
        self.assertEqual(large["outcome"], "skipped")
        self.assertIn("are needed", large["reason"])
        self.assertEqual(small["outcome"], "ok", done.stdout)


class Collectives(OnSimt):
    """Three devices, and a library in NCCL's place: its ranks meet in the streams."""

    def setUp(self):
        super().setUp()
        self.nccl = Path(os.environ.get("ASSAY_SIMT_NCCL", "")) / "libnccl.so.2"
        if not self.nccl.is_file():
            self.skipTest("this build has no NCCL")

    def collectives(self, settings, *cases):
        return self.run_on_simt(settings, self.suite(*cases), LD_LIBRARY_PATH=str(self.nccl.parent))

    def test_all_of_them(self):
        reduce = {"workload": "all_reduce", "kernel": "nccl", "dtype": ["f32", "bf16", "f16"], "bytes": [4, 1000],
                  "placement": ["in_place", "out_of_place"]}
        others = [{"workload": one, "kernel": "nccl", "dtype": "bf16", "bytes": 4800}
                  for one in ("all_gather", "reduce_scatter", "broadcast", "all_to_all", "send_recv")]
        done, records = self.collectives("devices=3,streams=random", reduce, *others)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual({record["outcome"] for record in records.values()}, {"ok"}, done.stdout)
        self.assertEqual({record["case"]["axes"]["ranks"] for record in records.values()}, {3})
        self.assertEqual(len(records), 12 + 5)

    def test_beside_a_product(self):
        done, records = self.collectives("devices=2,streams=random", {
            "workload": "overlap", "kernel": "mma_sm80+nccl", "dtype": "bf16", "part": ["gemm", "all_reduce", "both"],
            "m": 64, "n": 64, "k": 64, "bytes": 4800})
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual([record["outcome"] for record in records.values()], ["ok"] * 3, done.stdout)


class Mistakes(OnSimt):
    def test_a_fault_of_a_kernel_ends_the_device(self):
        # For this kernel alone every allocation is shorter than the program was told: it reads past the end.
        settings, suite = "kernel=SwigluForward,short=100000000", self.suite(SWIGLU, GELU)
        done, records = self.run_on_simt(settings, suite)
        self.assertEqual(done.returncode, 4, done.stdout)
        faulty, = records.values()
        self.assertEqual(faulty["outcome"], "failed")
        self.assertIn("an illegal memory access was encountered: out of bounds: global read", faulty["reason"])
        self.assertRegex(faulty["reason"], r"at \w+\.cuh:\d+ \(cudaErrorIllegalAddress\)")
        early = "the GPU cannot be used any more by this process, after cudaErrorIllegalAddress on GPU 0"
        self.assertEqual(json.loads((self.folder / "out.json").read_text())["provenance"]["run"]["ended_early"], early)
        self.assertIn(early, done.stdout)
        # Another process goes on behind the case that was at fault.
        done, records = self.run_on_simt(settings, suite, more=["--resume"])
        self.assertEqual(done.returncode, 4, done.stdout)
        self.assertEqual([record["outcome"] for record in records.values()], ["failed", "ok"])

    def test_a_kernel_that_computes_something_else_is_wrong(self):
        # SwiGLU's kernel with one instruction for another: every product is a sum.
        done, records = self.run_on_simt("kernel=SwigluForward,replace=mul.f32:add.f32", self.suite(SWIGLU, GELU))
        self.assertEqual(done.returncode, 3, done.stdout)
        wrong, right = records.values()
        self.assertEqual((wrong["outcome"], right["outcome"]), ("wrong", "ok"))
        self.assertNotIn("flops_per_second", wrong.get("summary") or {})

    def test_a_build_for_other_gpus_says_so_in_a_line(self):
        done, records = self.run_on_simt("kernel=hold_kernel,replace=hold_kernel:no_kernel", self.suite(SWIGLU))
        left_out, = records.values()
        self.assertEqual((done.returncode, left_out["outcome"]), (4, "skipped"), done.stdout)
        self.assertRegex(left_out["reason"], r"GPU 0 \(.+\) is sm_80, and this build has kernels for 80[^\n]* alone: build it with")

    def test_a_setting_that_is_none_is_named(self):
        done, _ = self.run_on_simt("async=sometimes", self.suite(SWIGLU))
        self.assertEqual((done.returncode, done.stderr), (2, "ASSAY_SIMT: async=sometimes: no such value\n"))


if __name__ == "__main__":
    program.main(__name__)
