"""Results as pages are tried with: real ones, cut and bent."""
import copy
import json


def small(result, keep=("peak/peak_cpu_fma", "peak/peak_cpu_stream/cpu/f32/unit=copy", "m=128/", "shm_ring/cpu/f32")):
    """A result of a few cases, without a seal."""
    out = copy.deepcopy(result)
    out["records"] = [r for r in out["records"] if any(word in r["id"] for word in keep)]
    return out


def rename(record, **parts):
    """The same record as another case."""
    old = record["id"].split("/")
    for key, value in parts.items():
        record["case"][key] = value
        old[{"workload": 0, "kernel": 1}[key]] = value
    record["id"] = "/".join(old)


def on_gpu(result):
    """The same as if an H200 had measured it, forty times as fast."""
    result["provenance"]["gpus"] = [{"index": 0, "name": "NVIDIA H200", "driver_version": "580.65.06", "power_limit_watts": 700.0}]
    for record in result["records"]:
        record["id"] = record["id"].replace("/cpu/", "/gpu0/")
        record["case"]["device"] = "gpu"
        if record["measurement"]:
            record["measurement"]["placement"] = []
            record["measurement"]["seconds"] = [t / 40 for t in record["measurement"]["seconds"]]
        summary = record["summary"]
        for key in ("median_seconds", "p5_seconds", "p95_seconds"):
            summary[key] /= 40
        summary["median_95_seconds"] = [t / 40 for t in summary["median_95_seconds"]]
    return result


def fleet(folder, result, slow):
    """Eight nodes of which one is slow; two with a soaked case."""
    for node in range(8):
        one = on_gpu(small(result, ("m=128/",)))
        one["provenance"]["system"]["hostname"] = f"node{node}"
        for i, record in enumerate(one["records"]):
            times = record["measurement"]["seconds"]
            record["measurement"]["seconds"] = [t * (1 + 0.004 * ((node * 7 + i * 3) % 5)) * (1.12 if node == slow else 1) for t in times]
        (folder / f"node{node}.json").write_text(json.dumps(one))
        if node >= 2:
            continue
        soaked = one["records"][0]
        times = soaked["measurement"]["seconds"]
        soaked["soak"] = {"asked_seconds": 60.0, "lasted_seconds": 60.0, "launches": 10 * len(times), "digested": len(times), "corrupted": 0, "first_corruption": None, "digest": "0123456789abcdef", "digest_of": "a case",
                          "computed_by": "a CPU", "throttle_percent": 5.0, "throttle": {"baseline_seconds": times[0], "at_seconds": None, "lasted_seconds": 0.0},
                          "intervals": {"start_seconds": [60.0 * i / len(times) for i in range(len(times))], "launches": [10] * len(times), "slowest_seconds": [2 * t for t in times]}}
        soaked["telemetry"] = [{"device": "gpu0", "source": "by hand", "period_seconds": 10.0, "window_seconds": 60.0, "readings": {"seconds": [0.0, 20.0, 40.0], "clock_mhz": [2600.0, 2500.0, 2400.0], "power_watts": [90.0, 95.0, 91.0]}, "limits": [], "xids": [], "others": []}]
        (folder / f"node{node}.json").write_text(json.dumps(one))


def with_losses(result):
    """Training steps of an older result, the first with a made-up loss of 1/(n + 4) from 6 on and a CPU's beside."""
    del result["seal"]
    losses = [24 / (n + 4) for n in range(30)]
    result["records"][0]["losses"] = {"steps": list(range(1, 31)), "losses": losses, "cpu_losses": [loss + 0.001 for loss in losses[:5]]}
    return result
