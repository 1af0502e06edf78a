"""Where a result comes from: PyTorch, CUDA, cuDNN, the GPU with its driver and clocks, the CPU, the system."""
import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import torch

GPU_FIELDS = {"uuid": "uuid", "driver_version": "driver_version", "clocks.sm": "sm_clock_mhz", "clocks.mem": "memory_clock_mhz",
              "clocks.max.sm": "sm_clock_max_mhz", "clocks.max.mem": "memory_clock_max_mhz",
              "power.limit": "power_limit_watts", "temperature.gpu": "temperature_celsius"}
KEPT_ENVIRONMENT = re.compile(r"^(CUDA_|CUDNN_|NVIDIA_|OMP_|MKL_|TORCH_|PYTORCH_|KMP_)")


def now_utc():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def version_of(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def nvidia_smi(index, fields):
    """The fields as text; empty where there is no nvidia-smi, or it refuses."""
    command = ["nvidia-smi", f"--id={index}", "--query-gpu=" + ",".join(fields), "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    values = [value.strip() for value in done.stdout.strip().split(",")]
    return dict(zip(fields, values)) if done.returncode == 0 and len(values) == len(fields) else {}


def number_or_text(text):
    try:
        return float(text)
    except ValueError:
        return None if text.startswith("[") else text  # "[N/A]"


def sm_clock(index):
    return nvidia_smi(index, ["clocks.sm"]).get("clocks.sm")


def gpus(indices):
    out = []
    for index in indices:
        properties = torch.cuda.get_device_properties(index)
        gpu = {"index": index, "name": properties.name,
               "compute_capability": 10 * properties.major + properties.minor,
               "multiprocessors": properties.multi_processor_count, "memory_bytes": properties.total_memory,
               "l2_bytes": getattr(properties, "L2_cache_size", None)}
        for field, text in nvidia_smi(index, list(GPU_FIELDS)).items():
            gpu[GPU_FIELDS[field]] = number_or_text(text)
        out.append(gpu)
    return out


def cpu():
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return {"model": model[1] if model else platform.processor() or None, "threads": os.cpu_count(),
            "allowed_threads": len(os.sched_getaffinity(0)), "torch_threads": torch.get_num_threads(),
            "torch_capability": torch.backends.cpu.get_cpu_capability()}


def last_level_cache_bytes():
    """The largest cache that the system tells of."""
    units, sizes = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}, [0]
    for size in Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"):
        found = re.fullmatch(r"(\d+)([KMG])", size.read_text().strip())
        if found:
            sizes.append(int(found[1]) * units[found[2]])
    return max(sizes) or 64 << 20


def provenance(device_indices):
    cudnn = torch.backends.cudnn.version() if torch.backends.cudnn.is_available() else None
    load = os.getloadavg()
    return {
        "build": {"program": "scripts/torch_attention", "python": platform.python_version(), "torch": torch.__version__,
                  "torch_configuration": torch.__config__.show().split("\n")},
        "libraries": {"torch": torch.__version__, "cuda_runtime": torch.version.cuda, "cudnn": cudnn,
                      "flash_attn": version_of("flash_attn"), "flash_attn_3": version_of("flash_attn_3"),
                      "triton": version_of("triton")},
        "cpu": cpu(),
        "gpus": gpus(device_indices),
        "system": {"hostname": platform.node(), "kernel": f"{platform.system()} {platform.release()}",
                   "machine": platform.machine(), "load_average": list(load)},
        "environment": {name: value for name, value in os.environ.items() if KEPT_ENVIRONMENT.match(name)},
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "started_utc": now_utc(),
        "findings": [] if load[0] < 0.5 else [{
            "severity": "warning", "what": f"the load average is {load[0]:.1f} on {os.cpu_count()} threads",
            "meaning": "other work shares the cores", "action": "stop it, or wait until it is done"}],
    }
