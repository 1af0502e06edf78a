#include "harness/backends/cgroup.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace assay {
namespace {

namespace fs = std::filesystem;

std::optional<double> number_in(const fs::path& file) {
  std::ifstream in(file);
  double value;
  if (in >> value) return value;  // "max" and a missing file: none
  return {};
}

/// The value after `key` in a file of "key value" lines.
std::optional<double> value_of(const fs::path& file, const std::string& key) {
  std::ifstream in(file);
  std::string name;
  double value;
  while (in >> name >> value)
    if (name == key) return value;
  return {};
}

template <class T>
void tighten(std::optional<T>& limit, T value) {
  limit = limit ? std::min(*limit, value) : value;
}

struct Names {  // of one version's files
  const char *memory_limit, *memory_usage, *droppable;
};
constexpr Names kVersion1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"};
constexpr Names kVersion2 = {"memory.max", "memory.current", "inactive_file"};

void read_memory(const fs::path& folder, const Names& names, CgroupLimits& out) {
  const auto limit = number_in(folder / names.memory_limit), usage = number_in(folder / names.memory_usage);
  constexpr double kUnlimited = 1ull << 60;  // version 1 says "unlimited" by a number near 2^63
  if (!limit || !usage || *limit >= kUnlimited) return;
  const double droppable = value_of(folder / "memory.stat", names.droppable).value_or(0);
  tighten(out.memory_available, std::size_t(std::max(0.0, *limit - std::max(0.0, *usage - droppable))));
}

void read_cpus(const fs::path& folder, CgroupLimits& out) {
  double quota = 0, period = 0;
  std::ifstream version2(folder / "cpu.max");
  if (!(version2 >> quota >> period)) {
    quota = number_in(folder / "cpu.cfs_quota_us").value_or(-1);
    period = number_in(folder / "cpu.cfs_period_us").value_or(0);
  }
  if (quota > 0 && period > 0) tighten(out.cpus, quota / period);
}

/// `mount`/a/b, `mount`/a, `mount`: those that exist.  A container may see its group at the mount's root.
std::vector<fs::path> folders(const fs::path& mount, const std::string& group) {
  std::vector<fs::path> out;
  std::error_code unreadable;  // a host may hide its groups from users: then no limit is known
  for (fs::path at = fs::path(group).relative_path(); !at.empty(); at = at.parent_path())
    if (fs::exists(mount / at, unreadable)) out.push_back(mount / at);
  if (fs::exists(mount, unreadable)) out.push_back(mount);
  return out;
}

/// visit(controller, folder) of every group on the way from the process's own to the root; the controller is empty in
/// version 2, whose groups have all of them.
template <class Visit>
void each_group(const fs::path& membership, const fs::path& root, const Visit& visit) {
  std::ifstream in(membership);
  // "4:memory:/docker/b088", version 2: "0::/user.slice"
  for (std::string number, controllers, group;
       std::getline(in, number, ':') && std::getline(in, controllers, ':') && std::getline(in, group);) {
    if (controllers.empty()) {
      for (const fs::path& mount : {root, root / "unified"})  // alone, or beside version 1
        for (const fs::path& folder : folders(mount, group)) visit(std::string(), folder);
      continue;
    }
    std::istringstream list(controllers);
    for (std::string controller; std::getline(list, controller, ',');)
      for (const fs::path& folder : folders(root / controller, group)) visit(controller, folder);
  }
}

}  // namespace

CgroupLimits cgroup_limits(const fs::path& membership, const fs::path& root) {
  CgroupLimits out;
  each_group(membership, root, [&](const std::string& controller, const fs::path& folder) {
    if (controller.empty()) read_memory(folder, kVersion2, out), read_cpus(folder, out);
    if (controller == "memory") read_memory(folder, kVersion1, out);
    if (controller == "cpu") read_cpus(folder, out);
  });
  return out;
}

std::optional<CgroupThrottling> cgroup_throttling(const fs::path& membership, const fs::path& root) {
  std::optional<CgroupThrottling> out;
  each_group(membership, root, [&](const std::string& controller, const fs::path& folder) {
    if (!controller.empty() && controller != "cpu") return;
    const auto periods = value_of(folder / "cpu.stat", "nr_throttled");
    if (!periods) return;
    const auto microseconds = value_of(folder / "cpu.stat", "throttled_usec");  // version 2
    const auto nanoseconds = value_of(folder / "cpu.stat", "throttled_time");   // version 1
    if (!out) out.emplace();
    out->periods += std::int64_t(*periods);
    out->seconds += microseconds ? *microseconds * 1e-6 : nanoseconds.value_or(0) * 1e-9;
  });
  return out;
}

}  // namespace assay
