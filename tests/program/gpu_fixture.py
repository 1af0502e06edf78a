"""Made-up results of nodes with eight GPUs, to look at pages and tables: no machine ever measured any of it.

Rates are shares of an H200's datasheet, times scatter by a seeded generator, and telemetry follows the load.  As a program it
writes one node's result, and with --nodes a fleet's: usage: gpu_fixture.py FOLDER [--nodes N]
"""
import argparse
import json
import math
import random
import zlib
from pathlib import Path

MADE_UP = "made up by tests/program/gpu_fixture.py: nobody measured this"
GPUS = 8
PEAK = {"bf16": 989.5e12, "f16": 989.5e12, "e4m3": 1979e12, "tf32": 494.5e12, "f32": 67e12}
MEMORY = 4.8e12  # bytes/s
SIZE = {"bf16": 2, "f16": 2, "e4m3": 1, "tf32": 4, "f32": 4}
SAMPLES = 120
STARTED = "2026-11-20T10:00:00Z"
WIDE = 0.02  # half of the median's interval, of so few samples that scatter by some thousandths


def quantile(values, q):
    at = q * (len(values) - 1)
    low = math.floor(at)
    return values[low] + (at - low) * (values[min(low + 1, len(values) - 1)] - values[low])


def summary(seconds, work):
    ordered = sorted(seconds)
    median = quantile(ordered, 0.5)
    rate = lambda amount: amount / median if amount else None
    bus = work["bus_factor"] * work["bytes"] / median if work["bus_factor"] else None
    return {"median_seconds": median, "median_95_seconds": [median * (1 - WIDE / 10), median * (1 + WIDE / 10)], "samples": len(seconds), "effective_samples": float(len(seconds)), "p5_seconds": quantile(ordered, 0.05),
            "p95_seconds": quantile(ordered, 0.95), "autocorrelation": 0.0, "drift": 0.001, "modes": 1, "flops_per_second": rate(work["flops"]), "bytes_per_second": rate(work["bytes"]), "bus_bytes_per_second": bus}


def telemetry(device, noise, hot):
    """A GPU that starts cool and is held by its power cap, and by its temperature where it is `hot`."""
    n = 30
    clock = [1980.0 - (260.0 if hot else 150.0) * (1 - math.exp(-i / 5)) + noise.gauss(0, 8) for i in range(n)]
    power = [420.0 + 275.0 * (1 - math.exp(-i / 3)) + noise.gauss(0, 4) for i in range(n)]
    degrees = [44.0 + (44.0 if hot else 26.0) * (1 - math.exp(-i / 8)) for i in range(n)]
    reasons = [["sw_power_cap", "hw_thermal"] if hot and i > 8 else ["sw_power_cap"] if i > 4 else [] for i in range(n)]
    limits = [{"reason": "sw_power_cap", "share": 0.83, "seconds": 2.5}] + ([{"reason": "hw_thermal", "share": 0.7, "seconds": 2.1}] if hot else [])
    return {"device": device, "source": "NVML", "period_seconds": 0.1, "window_seconds": 3.0, "limits": limits, "xids": [], "others": [], "energy_joules": 3 * sum(power) / n, "power_cap_watts": 700.0, "ecc_corrected": 0, "ecc_uncorrected": 0, "remapped_rows": 0,
            "pcie_replays": 0, "nvlink_errors": 0, "pcie_generation": 5, "pcie_width": 16, "pcie_generation_max": 5, "pcie_width_max": 16,
            "readings": {"seconds": [round(0.1 * i, 3) for i in range(n)], "clock_mhz": [round(v, 3) for v in clock], "memory_clock_mhz": [3201.0] * n, "power_watts": [round(v, 3) for v in power], "temperature_celsius": [round(v, 1) for v in degrees],
                         "limits": reasons}}


class Node:
    def __init__(self, host, slow=1.0, hot=None):
        self.host, self.slow, self.hot, self.records = host, slow, hot, []

    def add(self, workload, kernel, gpu, dtype, axes, seconds, flops=0.0, bytes=0.0, bus_factor=0.0, vendor=False, cache="cold", mode="burst", labels=(), together=1, samples=SAMPLES, ranks=0, description=""):
        axes_text = "".join(f"/{name}={value}" for name, value in axes.items())
        identity = f"{workload}/{kernel}/gpu{gpu}/{dtype}{axes_text}/{cache}/{mode}/normal/seed=1" + (f"/together={together}" if together > 1 else "")
        noise = random.Random(zlib.crc32(f"{self.host} {identity}".encode()))
        seconds *= self.slow * (1 + 0.01 * noise.random()) * (1.11 if gpu == self.hot else 1)
        times = [seconds * (1 + abs(noise.gauss(0, 0.004))) for _ in range(samples)]
        work = {"flops": float(flops), "bytes": float(bytes), "convention": "as the fixture says", "bus_factor": bus_factor}
        case = {"workload": workload, "kernel": kernel, "device": "gpu", "device_index": gpu, "dtype": dtype, "axes": axes, "mode": mode, "cache": cache, "data": "normal", "seed": 1, "labels": list(labels)}
        if together > 1:
            case["together"] = together
        measurement = {"seconds": times, "placement": [], "batch": 1, "warmup_launches": 20, "warmup_seconds": 0.2, "wall_seconds": max(3.0, 1.1 * sum(times)), "floor_seconds": 2e-7, "stop": "interval", "in_turns": 3, "first_seconds": 1.4 * seconds}
        if ranks:
            measurement["rank_seconds"] = [[t * (1 - 0.002 * ((r + i) % ranks)) for i, t in enumerate(times)] for r in range(ranks)]
        record = {"id": identity, "case": case, "vendor": vendor, "outcome": "ok", "reason": "", "description": description or MADE_UP, "started_utc": STARTED, "interrupted_attempts": 0, "work": work,
                  "check": {"ok": True, "error_over_allowed": round(noise.uniform(0.05, 0.9), 3), "elements": 1 << 20, "wrong": 0, "where": "d[0, 0]", "expected": 1.0, "got": 1.0, "allowed": 0.1, "outside": "", "digest": "0123456789abcdef"},
                  "summary": summary(times, work), "measurement": measurement, "telemetry": [telemetry(f"gpu{g}", noise, g == self.hot) for g in (range(ranks) if ranks else [gpu])]}
        self.records.append(record)
        return record

    def provenance(self, suite):
        gpu = lambda i: {"index": i, "name": "NVIDIA H200", "uuid": f"GPU-00000000-0000-0000-0000-{i:012d}", "compute_capability": "9.0", "multiprocessors": 132, "memory_bytes": 150_000_000_000, "pci_bus_id": f"0000:{i + 1:02x}:00.0", "ecc": True,
                         "driver_version": "580.95.05", "power_limit_watts": 700.0}
        return {"build": {"version": "0.1.0", "revision": "0123456789ab", "dirty": False, "type": "Release", "compiler": "GNU 12.2.0", "flags": "-O3"}, "libraries": {"cuda_driver": "13.0", "cublaslt": "13.1.0", "cudnn": "9.14.0", "nccl": "2.28.9"},
                "cpu": {"model": "INTEL(R) XEON(R) PLATINUM 8568Y+", "vendor": "GenuineIntel", "packages": 2, "cores": 96, "threads": 192, "allowed_threads": 192, "numa_nodes": 2, "caches": [{"name": "L1d", "bytes": 49152, "count": 96}], "hypervisor": False},
                "gpus": [gpu(i) for i in range(GPUS)], "system": {"hostname": self.host, "os": "Ubuntu 24.04 LTS", "kernel": "Linux 6.8.0", "machine": "x86_64", "memory_bytes": 2 << 40, "container": None}, "environment": {}, "command": ["assay", "run", suite],
                "started_utc": STARTED, "findings": [{"severity": "warning", "concerns": "gpu", "what": MADE_UP, "meaning": "no figure here says anything of any machine", "action": "look at the page, not at the figures"}],
                "run": {"threads": 192, "ranks": 1, "one_host": True, "communicator": "nccl", "launcher": ""}}

    def result(self, suite="acceptance"):
        sampling = {"min_samples": 20, "max_samples": 500, "relative_half_width": 0.005, "wall_seconds": 3.0, "timeout_seconds": 120.0, "warmup_seconds": 0.2, "sustained_seconds": 3.0, "telemetry_seconds": 0.1}
        return {"schema": "assay-result/1", "suite": suite, "complete": True, "sampling": sampling, "provenance": self.provenance(suite), "records": self.records}


def peaks(node):
    for dtype, unit in (("bf16", "wgmma"), ("e4m3", "wgmma"), ("tf32", "wgmma"), ("f32", "fma")):
        node.add("peak", "peak_wgmma_sm90" if unit == "wgmma" else "peak_simt_fma", 0, dtype, {"unit": unit, "size": 1 << 20}, 1e13 / PEAK[dtype] / 0.93, flops=1e13, cache="hot")
    node.add("peak", "peak_stream", 0, "f32", {"unit": "copy", "size": 1 << 33}, (1 << 34) / MEMORY / 0.9, bytes=1 << 34)


def gemm(node, gpu, dtype, m, n, k, kernels):
    flops, moved = 2.0 * m * n * k, SIZE[dtype] * (m * k + k * n) + 2 * m * n
    small = 1 / (1 + (2.5e11 / flops) ** 0.7)
    for kernel, share, vendor in kernels:
        seconds = max(flops / (PEAK[dtype] * share * small), moved / (MEMORY * 0.85))
        labels = ["llama3-70b/gate_up/forward/tp8"] if n == 7168 else []
        node.add("gemm", kernel, gpu, dtype, {"layout": "tn", "m": m, "n": n, "k": k}, seconds, flops, moved, vendor=vendor, labels=labels, description="tile 128x256x64, 2 consumer warpgroups, cluster 2x1, 4 stages, persistent")


def attention(node, gpu, sequence, backward, kernels):
    heads, head_dim = 64, 128
    flops = (10 if backward else 4) * heads * head_dim * sequence * sequence / 2.0
    moved = 2.0 * heads * head_dim * sequence * (8 if backward else 4)
    axes = {**({"pass": "backward"} if backward else {}), "mask": "causal", "batch": 1, "heads": heads, "kv_heads": 8, "seq_q": sequence, "seq_kv": sequence, "head_dim": head_dim}
    for kernel, share, vendor in kernels:
        node.add("attention", kernel, gpu, "bf16", axes, flops / (PEAK["bf16"] * share * sequence / (sequence + 900)), flops, moved, vendor=vendor)


def collectives(node):
    """All-reduce from 8 bytes to 8 GiB, with NVLink SHARP and without."""
    for power in range(3, 34):
        size = 1 << power
        for nvls, rate in (("on", 478e9), ("off", 367e9)):
            seconds = 16e-6 + size * 1.75 / rate
            record = node.add("all_reduce", "nccl", 0, "bf16", {"bytes": size, "ranks": GPUS, "placement": "out_of_place", **({"nvls": "off"} if nvls == "off" else {})}, seconds, bytes=size, bus_factor=1.75, vendor=True, samples=24, ranks=GPUS)
            record["details"] = {"algorithm": {"value": "NVLS" if nvls == "on" and power > 16 else "Ring"}, "protocol": {"value": "SIMPLE" if power > 18 else "LL"}}


def node(host="gpu-node-07.example", slow=1.0, hot=None, wide=False):
    """One node's acceptance; `wide`: two hundred cases and more."""
    out = Node(host, slow, hot)
    peaks(out)
    ours, library = ("wgmma_sm90", 0.76, False), ("cublaslt_tuned", 0.79, True)
    squares = [1024, 2048, 4096, 8192, 16384]
    for m in squares if not wide else [512 * i for i in range(1, 27)]:
        gemm(out, 0, "bf16", m, m, m, [ours, library])
        gemm(out, 0, "e4m3", m, m, m, [("wgmma_fp8_sm90", 0.7, False), ("cublaslt_tuned", 0.73, True)])
    for m in (1, 16, 128, 1024, 8192):
        gemm(out, 0, "bf16", m, 7168, 8192, [ours, library])
    gemm(out, 0, "tf32", 8192, 8192, 8192, [("wgmma_sm90", 0.72, False), library])
    gemm(out, 0, "f32", 4096, 4096, 4096, [("simt_f32", 0.8, False), library])
    for gpu in range(1, GPUS):
        gemm(out, gpu, "bf16", 8192, 8192, 8192, [ours])
    for sequence in (1024, 4096, 16384):
        for backward in (False, True):
            attention(out, 0, sequence, backward, [("wgmma_sm90", 0.5 if backward else 0.64, False), ("cudnn", 0.55 if backward else 0.67, True)])
    collectives(out)
    return out


def soaked(host="gpu-node-07.example", hot=3):
    """Two hours of products on eight GPUs, one of which becomes too hot."""
    out = Node(host, hot=hot)
    flops = 2.0 * 8192**3
    for gpu in range(GPUS):
        record = out.add("gemm", "wgmma_sm90", gpu, "bf16", {"layout": "tn", "m": 8192, "n": 8192, "k": 8192}, flops / 7.4e14, flops, 6.0 * 8192 * 8192, mode="sustained", samples=240)
        times = record["measurement"]["seconds"]
        if gpu == hot:
            times[:] = [t / 1.11 * (1.0 if i < 60 else 1.11) for i, t in enumerate(times)]
            record["summary"] = summary(times, record["work"])
        lasted = 7200.0
        record["soak"] = {"asked_seconds": lasted, "lasted_seconds": lasted, "launches": 1000 * len(times), "digested": len(times), "corrupted": 0, "first_corruption": None, "digest": "0123456789abcdef", "digest_of": "a case", "computed_by": "made up",
                          "throttle_percent": 5.0, "throttle": {"baseline_seconds": times[0], "at_seconds": 1800.0 if gpu == hot else None, "lasted_seconds": 5400.0 if gpu == hot else 0.0},
                          "intervals": {"start_seconds": [lasted * i / len(times) for i in range(len(times))], "launches": [1000] * len(times), "slowest_seconds": [1.1 * t for t in times]}}
        record["telemetry"][0]["readings"]["seconds"] = [round(lasted * i / 30, 3) for i in range(30)]
    return out.result("soak")


def together(host="gpu-node-07.example"):
    """Each GPU alone and all at once."""
    out, flops = Node(host), 2.0 * 8192**3
    for busy in (1, GPUS):
        for gpu in range(GPUS):
            out.add("gemm", "wgmma_sm90", gpu, "bf16", {"layout": "tn", "m": 8192, "n": 8192, "k": 8192}, flops / 7.5e14 * (1.06 if busy > 1 else 1), flops, 6.0 * 8192 * 8192, together=busy, samples=40)
    return out.result("together")


def stragglers(host="gpu-node-07.example", slow=5):
    """A search among eight ranks, one of which is named."""
    out = Node(host)
    out.add("all_reduce", "nccl", 0, "bf16", {"bytes": 1 << 26, "ranks": GPUS, "placement": "out_of_place"}, 2.5e-4, bytes=1 << 26, bus_factor=1.75, vendor=True, samples=24, ranks=GPUS)
    result = out.result("stragglers")
    member = lambda rank: {"rank": rank, "host": host, "device": f"gpu{rank}"}
    result["stragglers"] = {
        "outcome": "found", "reason": "", "operations": 100, "passes": 2,
        "members": [{**member(r), "compute_seconds": 1e-3 * (1.2 if r == slow else 1 + 0.002 * r), "memory_seconds": 2e-3 * (1 + 0.003 * r), "wait_seconds": 2e-5 if r == slow else 2.6e-4, "late_seconds": 2.4e-4 if r == slow else -3e-6 * r, "last": 93 if r == slow else 1} for r in range(GPUS)],
        "pairs": [{"ranks": [a, b], "seconds": 2e-5 * (1 + 0.01 * ((a * 3 + b) % 5))} for a in range(GPUS) for b in range(a + 1, GPUS)],
        "found": [{**member(slow), "cause": "compute", "partner": None, "slowdown": 0.2, "evidence": ["compute probe 20 % slower than the others'", "last to arrive in 93 of 100 operations"],
                   "verdict": f"rank {slow} ({host}, gpu{slow}): compute probe 20 % slower than the others'; last to arrive in 93 of 100 operations: the device's compute, not its link"}],
        "notes": [MADE_UP]}
    return result


def write(path, result):
    path.write_text(json.dumps(result))
    return path


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nodes", type=int, default=0)
    arguments = parser.parse_args()
    arguments.folder.mkdir(exist_ok=True)
    write(arguments.folder / "node.json", node(hot=None).result())
    write(arguments.folder / "wide.json", node(wide=True).result())
    for name, make in (("soak", soaked), ("together", together), ("stragglers", stragglers)):
        write(arguments.folder / f"{name}.json", make())
    for i in range(arguments.nodes):
        write(arguments.folder / f"fleet-{i}.json", node(f"gpu-node-{i:02d}.example", slow=1.09 if i == 3 else 1.0, hot=5 if i == 2 else None).result())


if __name__ == "__main__":
    main()
