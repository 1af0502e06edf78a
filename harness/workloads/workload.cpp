#include "harness/workloads/workload.h"

#include <algorithm>

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/core/units.h"

namespace assay {
namespace {

template <class Rows>
auto find_by_name(const Rows& rows, std::string_view name) -> decltype(rows.data()) {
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const auto& row) { return row.name == name; });
  return found == rows.end() ? nullptr : &*found;
}

// Part of what is free that rotated buffers may take: the rest is for workspaces and the host copies of a CPU case.
constexpr double kUsableShare = 0.8;

// Below (twice the cache) / 1024 a set, about 64 KiB, more sets would cost more than they show: such cases stay partly
// in cache, as they do in training.
constexpr std::size_t kMaxSets = 1024;

}  // namespace

const WorkloadKind* find_workload(const Catalog& catalog, std::string_view name) { return find_by_name(catalog, name); }

const KernelSpec* find_kernel(const WorkloadKind& kind, std::string_view name) {
  return find_by_name(kind.kernels, name);
}

int rotation_sets(const Case& point, std::size_t set_bytes, const Backend& backend, int slot) {
  const std::size_t one = std::max<std::size_t>(set_bytes, 1);
  std::size_t sets = 1;
  if (point.cache == Cache::cold) {
    const std::size_t wanted = 2 * backend.last_level_cache_bytes();
    sets = std::clamp<std::size_t>((wanted + one - 1) / one, 2, kMaxSets);
  }
  const auto usable = std::size_t(kUsableShare * double(backend.free_bytes(slot)));
  if (sets > usable / one)
    throw MeasureError(fmt::format("{} of buffers are needed ({} sets of {}), and {} are usable",
                                   format_bytes(sets * one), sets, format_bytes(one), format_bytes(usable)));
  return int(sets);
}

}  // namespace assay
