// Who else works on this machine: by the difference of two looks at /proc.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/backends/nvml.h"
#include "harness/measure/telemetry.h"

namespace assay {

struct ProcessTimes {
  std::int64_t parent = 0;
  std::string name;
  std::uint64_t started = 0;  // tells a process from a later one of the same number
  double cpu_seconds = 0;
};
using ProcessTable = std::map<std::int64_t, ProcessTimes>;  // by pid

/// A few microseconds for each process: not while something is timed.
ProcessTable read_processes(const std::filesystem::path& proc = "/proc");

/// `self` and its descendants; where an MPI launcher started it (`launched`), the launcher and all of its too.
std::set<std::int64_t> our_processes(const ProcessTable&, std::int64_t self, bool launched);

/// CPU seconds of one process, or of all of a set, between two looks.
double cpu_seconds_of(const std::set<std::int64_t>& pids, const ProcessTable& before, const ProcessTable& after);

/// The others that worked at least `least_seconds` in between, the busiest first, at most `most` of them.
std::vector<OtherProcess> busiest_others(const ProcessTable& before, const ProcessTable& after,
                                         const std::set<std::int64_t>& ours, double least_seconds, std::size_t most);

/// Those of a GPU's processes that are not ours.  NVML counts pids as the host does: within a pid namespace a number
/// that is not in /proc may be our own, so that as many of them as there are local ranks are taken for us.
std::vector<OtherProcess> others_on_gpu(const std::vector<NvmlProcess>&, const std::filesystem::path& proc = "/proc");

}  // namespace assay
