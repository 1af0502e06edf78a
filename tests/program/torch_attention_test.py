#!/usr/bin/env python3
"""scripts/torch_attention: its kernels' arguments, its check, and its results as the program reads them.

Skipped (77) where PyTorch cannot be imported.  Without a GPU, the GPU's operators see tensors without memory (meta).
"""
import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
SCRIPT = ROOT / "scripts" / "torch_attention"
PROGRAM = None

if importlib.util.find_spec("torch") is None:
    print(f"skipped: {sys.executable} cannot import torch")
    sys.exit(77)

sys.path.insert(0, str(ROOT / "scripts" / "lib"))
import torch  # noqa: E402

from torch_attention import check, clock, kernels  # noqa: E402
from torch_attention.case import Case  # noqa: E402


def case(text="mask=causal/batch=2/heads=4/kv_heads=4/seq_q=130/seq_kv=130/head_dim=64", dtype="f32", device="cpu"):
    return Case.parse(f"attention/any/{device}/{dtype}/{text}/hot/burst/normal/seed=1")


def kernel(name):
    return next(k for k in kernels.KERNELS if k.name == name)


def tensors(c, device="cpu"):
    def one(rows, heads, width):
        return torch.randn(c.batch, rows, heads, width, dtype=torch.float32 if c.dtype == "f32" else torch.bfloat16,
                           device=device).transpose(1, 2)

    return {"q": one(c.seq_q, c.heads, c.head_dim), "k": one(c.seq_kv, c.kv_heads, c.head_dim),
            "v": one(c.seq_kv, c.kv_heads, c.value_dim), "do": one(c.seq_q, c.heads, c.value_dim)}


class Arguments(unittest.TestCase):
    def test_operators_for_gpus_take_what_we_give_them(self):
        for name in ("torch_cudnn", "torch_flash", "torch_efficient"):
            with self.subTest(name):
                c, one = case(dtype="bf16", device="gpu0"), kernel(name)
                x = tensors(c, "meta")
                o, lse, kept = one.forward(c, x["q"], x["k"], x["v"])
                self.assertEqual(o.shape, x["q"].shape)
                self.assertEqual(tuple(lse.shape)[:2], (2, 4))
                dq, dk, dv = one.backward(c, x["q"], x["k"], x["v"], x["do"], kept)
                self.assertEqual((dq.shape, dk.shape, dv.shape), (x["q"].shape, x["k"].shape, x["v"].shape))

    def test_refusals_give_the_reason(self):
        longer = case("mask=causal/batch=1/heads=4/kv_heads=4/seq_q=64/seq_kv=128/head_dim=64")
        self.assertIn("top-left", kernels.refusal(kernel("torch_cpu_flash"), longer))
        packed = case("mask=causal/batch=1/heads=4/kv_heads=4/seq_q=64/seq_kv=64/head_dim=64/lengths=uneven")
        self.assertIn("packed", kernels.refusal(kernel("torch_cpu_flash"), packed))
        large = case("mask=full/batch=1/heads=64/kv_heads=8/seq_q=16384/seq_kv=16384/head_dim=128", "bf16", "gpu0")
        self.assertIn("MiB", kernels.refusal(kernel("torch_math"), large))
        self.assertIn("torch_flash has no f32", kernels.refusal(kernel("torch_flash"), case(device="gpu0")))


class Checks(unittest.TestCase):
    def checked(self, c, spoil):
        x, one = tensors(c), kernel("torch_cpu_flash")
        o, lse, kept = one.forward(c, x["q"], x["k"], x["v"])
        outputs = one.backward(c, x["q"], x["k"], x["v"], x["do"], kept) if c.backward else (o, lse)
        outputs = [t.clone() for t in outputs]
        spoil(outputs)
        result = check.Check()
        check.Reference(c, one.precision(c), x, (o, lse) if c.backward else None).compare(result, outputs, 0)
        return result

    def test_right_results_pass_and_wrong_ones_do_not(self):
        shape = "batch=2/heads=4/kv_heads=2/seq_q=130/seq_kv=130/head_dim=64"
        for dtype in ("f32", "bf16"):
            for mask in ("mask=causal/", "mask=full/"):
                for direction, outputs in (("", 2), ("pass=backward/", 3)):
                    c = case(direction + mask + shape, dtype)
                    with self.subTest(c.id("")):
                        good = self.checked(c, lambda _: None)
                        self.assertTrue(good.ok, good.to_json())
                        self.assertGreater(good.elements, 1000)
                        for at in range(outputs):
                            self.assertFalse(self.checked(c, lambda t, at=at: t[at].mul_(1.05)).ok)
                            nan = self.checked(c, lambda t, at=at: t[at].fill_(float("nan")))
                            self.assertFalse(nan.ok)
                            self.assertIsNone(nan.to_json()["error_over_allowed"])

    def test_nothing_compared_is_not_right(self):
        self.assertFalse(check.Check().ok)

    def test_lse_of_kernels_that_keep_none(self):
        for mask in ("causal", "full"):
            c = case(f"mask={mask}/batch=1/heads=4/kv_heads=2/seq_q=70/seq_kv=70/head_dim=64")
            x = tensors(c)
            _, lse, _ = kernel("torch_cpu_flash").forward(c, x["q"], x["k"], x["v"])
            self.assertLess(float((check.exact_lse(c, x["q"], x["k"]) - lse).abs().max()), 1e-5)


class Sampling(unittest.TestCase):
    def test_stops_by_its_rule_and_keeps_every_sample(self):
        rule = {"min_samples": 5, "max_samples": 25, "relative_half_width": 0.0, "wall_seconds": 60, "warmup_seconds": 0}
        launches = []
        measured = clock.sample(clock.CpuClock(), lambda: launches.append(1), rule)
        self.assertEqual((len(measured["seconds"]), measured["stop"]), (25, "max_samples"))
        self.assertEqual(len(launches), 25 + measured["warmup_launches"])

    def test_interval_holds_the_median(self):
        self.assertEqual(clock.median_interval([3.0, 1.0, 2.0]), (1.0, 3.0))
        low, high = clock.median_interval([float(i) for i in range(101)])
        self.assertEqual((low, high), (39.0, 61.0))


class Results(unittest.TestCase):
    def run_script(self, *arguments):
        out = Path(self.folder.name) / "torch.json"
        done = subprocess.run([sys.executable, str(SCRIPT), "--device", "cpu", "--assay", PROGRAM, "--out", str(out),
                               "--min-samples", "3", "--max-samples", "10", "--wall-seconds", "0.05", *arguments],
                              capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        return done, out

    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def test_the_program_reads_the_result(self):
        done, out = self.run_script("smoke", "--filter", "attention/*/seq_q=130/*head_dim=64*")
        self.assertEqual(done.returncode, 0, done.stderr)
        table = subprocess.run([PROGRAM, "table", str(out), "--format", "json"], capture_output=True, text=True)
        rows = json.loads(table.stdout)
        self.assertEqual({row["kernel"] for row in rows}, {"torch_cpu_flash"})
        right = [row for row in rows if row["outcome"] == "ok"]
        self.assertEqual({row["dtype"] for row in right}, {"f32", "bf16"})
        for row in right:
            self.assertGreater(row["flops_per_second"], 0)
            self.assertLessEqual(row["error_over_allowed"], 1)
        for row in rows:
            if row["outcome"] != "ok":
                self.assertTrue(row["reason"])
        result = json.loads(out.read_text())
        self.assertEqual(result["provenance"]["libraries"]["torch"], torch.__version__)

    def test_a_case_it_cannot_do_is_skipped_and_said(self):
        longer = case("mask=causal/batch=1/heads=4/kv_heads=4/seq_q=64/seq_kv=128/head_dim=64")
        done, out = self.run_script("--case", longer.id("x"))
        self.assertEqual(done.returncode, 4, done.stderr)
        self.assertEqual(json.loads(out.read_text())["records"][0]["outcome"], "skipped")

    def test_mistakes(self):
        done, out = self.run_script("--case", "gemm/x/cpu/f32")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("is no id of an attention case", done.stderr)
        self.assertFalse(out.exists())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--assay", required=True)
    arguments, rest = parser.parse_known_args()
    PROGRAM = arguments.assay
    torch.set_num_threads(1)  # spinning threads slow each other where other tests run beside
    unittest.main(argv=[sys.argv[0], *rest])
