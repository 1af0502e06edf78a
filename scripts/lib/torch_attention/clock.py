"""Takes samples as assay does: every one kept, outputs and inputs rotating, the median's interval deciding when to stop."""
import math
import statistics
import time

import torch

GROUP = 10  # samples between looks at the interval; on a GPU they are enqueued together
HELD_CYCLES_PER_SECOND = 2.5e9  # of torch.cuda._sleep: at least as many as any GPU's clock
MOST_HELD_SECONDS = 0.5


class CpuClock:
    def synchronize(self):
        pass

    def group(self, launch, count):
        seconds = []
        for _ in range(count):
            start = time.perf_counter()
            launch()
            seconds.append(time.perf_counter() - start)
        return seconds


class GpuClock:
    """Events before and after each launch.  The GPU is held until the group is enqueued, so that it never waits for
    Python between two events."""

    def __init__(self):
        self.host_seconds = 0.0  # that enqueuing a group took, the last time

    def synchronize(self):
        torch.cuda.synchronize()

    def group(self, launch, count):
        events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(count)]
        held = min(2 * self.host_seconds, MOST_HELD_SECONDS)
        torch.cuda._sleep(int(held * HELD_CYCLES_PER_SECOND))
        begin = time.perf_counter()
        for start, stop in events:
            start.record()
            launch()
            stop.record()
        self.host_seconds = time.perf_counter() - begin
        torch.cuda.synchronize()
        return [start.elapsed_time(stop) / 1e3 for start, stop in events]


def median_interval(seconds):
    """95 % of the median, by ranks; the program that reads the result widens it for autocorrelation."""
    ordered, n = sorted(seconds), len(seconds)
    half = 1.959963984540054 * math.sqrt(n)
    low, high = math.floor((n - half) / 2), math.ceil(1 + (n + half) / 2)
    return (ordered[0], ordered[-1]) if n < 6 or low < 1 or high > n else (ordered[low - 1], ordered[high - 1])


def sample(clock, launch, rule):
    """`launch()` enqueues one on the next buffer set -> the "measurement" of a record."""
    begin, warm = time.perf_counter(), 0
    while warm < 3 or time.perf_counter() - begin < rule["warmup_seconds"]:
        launch()
        clock.synchronize()
        warm += 1
    clock.group(launch, GROUP)  # how long enqueuing takes, is known from here on
    warm, warm_seconds = warm + GROUP, time.perf_counter() - begin
    seconds, stop = [], None
    while stop is None:
        seconds += clock.group(launch, min(GROUP, rule["max_samples"] - len(seconds)))
        low, high = median_interval(seconds)
        if len(seconds) >= rule["min_samples"] and (high - low) / 2 <= rule["relative_half_width"] * statistics.median(seconds):
            stop = "interval"
        elif len(seconds) >= rule["max_samples"]:
            stop = "max_samples"
        elif time.perf_counter() - begin >= rule["wall_seconds"]:
            stop = "wall_budget"
    return {"seconds": seconds, "placement": [], "batch": 1, "warmup_launches": warm, "warmup_seconds": warm_seconds,
            "wall_seconds": time.perf_counter() - begin - warm_seconds, "floor_seconds": None, "stop": stop}


def summary(work, measurement):
    seconds = measurement["seconds"]
    median = statistics.median(seconds)
    low, high = median_interval(seconds)
    return {"median_seconds": median, "median_95_seconds": [min(low, median), max(high, median)], "samples": len(seconds),
            "flops_per_second": work["flops"] / median, "bytes_per_second": work["bytes"] / median,
            "bus_bytes_per_second": None}
