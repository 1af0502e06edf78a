// What the control group leaves to this process (versions 1 and 2): a container's limits, which the number of
// processors and the size of memory do not show.
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>

namespace assay {

struct CgroupLimits {
  std::optional<double> cpus;                   // quota over period
  std::optional<std::size_t> memory_available;  // limit - usage, file pages that can be dropped given back
};

/// The tightest limits on the way from the process's group to the root.  Nothing where no limit is set or readable.
CgroupLimits cgroup_limits(const std::filesystem::path& membership = "/proc/self/cgroup",
                           const std::filesystem::path& root = "/sys/fs/cgroup");

/// How often and how long quotas have stopped the process's groups; both only grow.
struct CgroupThrottling {
  std::int64_t periods = 0;
  double seconds = 0;
};

/// Of all groups on that way together.  Null where none counts.
std::optional<CgroupThrottling> cgroup_throttling(const std::filesystem::path& membership = "/proc/self/cgroup",
                                                  const std::filesystem::path& root = "/sys/fs/cgroup");

}  // namespace assay
