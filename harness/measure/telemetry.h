// What a device did while a case was sampled: the part of a record that explains a slow one.  Filled by
// telemetry_sampler.h, never interpreted there.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace assay {

/// One look at the device; null where its source does not say.
struct Reading {
  double seconds = 0;                      // since the case's first sample began
  std::optional<double> clock_mhz;         // a GPU's multiprocessors; a CPU's cores in use, their mean
  std::optional<double> memory_clock_mhz;  // GPU
  std::optional<double> power_watts;       // instant; where a driver has no such query, what it has: a mean of 1 s
  std::optional<double> power_average_watts;
  std::optional<double> temperature_celsius, memory_temperature_celsius;
  std::vector<std::string> limits;  // reasons that hold the clock down at this moment, by the names of LimitTime
};

/// How long one reason held the clock down.  Names: "power_cap", "thermal" (software), "hardware_thermal",
/// "power_brake", "hardware_slowdown", "sync_boost", "application_clocks", "display", "idle"; known by violation time
/// alone: "board_limit", "reliability"; on a CPU "thermal", "quota".
struct LimitTime {
  std::string reason;
  double share = 0;               // of the readings in which its bit was set
  std::optional<double> seconds;  // by the driver's violation counter, which misses nothing between readings; its
                                  // "thermal" is of software and hardware together
};

/// Somebody else at work on the device.
struct OtherProcess {
  std::int64_t pid = 0;
  std::string name;
  std::optional<double> cpu_seconds;   // CPU: within the window
  std::optional<double> memory_bytes;  // GPU
};

/// Of one device over one case.  Counters are their growth within the window.
struct Telemetry {
  std::string device;         // "cpu", "gpu0": Case::device_name()
  std::string source;         // "nvml 580.65.06", "/proc, /sys"
  double period_seconds = 0;  // between readings: longer in a long window, so that a record stays small
  double window_seconds = 0;
  std::vector<Reading> readings;  // in time order
  std::vector<LimitTime> limits;  // those that occurred
  std::optional<double> energy_joules;
  std::optional<double> power_cap_watts;
  std::optional<std::int64_t> ecc_corrected, ecc_uncorrected, remapped_rows, pcie_replays, nvlink_errors;
  std::vector<int> xids;
  std::optional<int> pcie_generation, pcie_width;          // the least seen
  std::optional<int> pcie_generation_max, pcie_width_max;  // of GPU and slot together
  std::vector<OtherProcess> others;                        // the busiest first
  // CPU
  std::optional<double> other_load;         // cores' worth of work by other processes
  std::optional<double> steal_share;        // of the cores' time that the hypervisor gave to others
  std::optional<double> throttled_seconds;  // by the cgroup's quota
};

}  // namespace assay
