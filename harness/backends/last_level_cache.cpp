#include "harness/backends/last_level_cache.h"

#include <hwloc.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

namespace assay {
namespace {

constexpr std::size_t kUnknown = std::size_t(64) << 20;  // a large server's share; too much only costs memory

std::size_t from_hwloc(const std::vector<int>& cores) {
  hwloc_topology_t topology;
  if (hwloc_topology_init(&topology) != 0) return 0;
  std::size_t bytes = 0;
  if (hwloc_topology_load(topology) == 0) {
    hwloc_bitmap_t ours = hwloc_bitmap_alloc();
    for (const int core : cores) hwloc_bitmap_set(ours, unsigned(core));
    for (const hwloc_obj_type_t level : {HWLOC_OBJ_L5CACHE, HWLOC_OBJ_L4CACHE, HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L2CACHE}) {
      for (hwloc_obj_t cache = nullptr; (cache = hwloc_get_next_obj_by_type(topology, level, cache)) != nullptr;)
        if (hwloc_bitmap_intersects(cache->cpuset, ours)) bytes += cache->attr->cache.size;
      if (bytes > 0) break;
    }
    hwloc_bitmap_free(ours);
  }
  hwloc_topology_destroy(topology);
  return bytes;
}

std::string first_line(const std::filesystem::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

/// "32768K", "32M" -> bytes; 0 for anything else.
std::size_t parse_size(const std::string& text) {
  std::size_t end = 0, value = 0;
  try {
    value = std::stoull(text, &end);
  } catch (const std::exception&) {
    return 0;
  }
  const char unit = end < text.size() ? text[end] : ' ';
  return unit == 'K' ? value << 10 : unit == 'M' ? value << 20 : value;
}

}  // namespace

std::size_t last_level_cache_from_sysfs(const std::vector<int>& cores, const char* cpus) {
  std::map<std::string, std::size_t> caches;  // by the cores that share them, of the highest level
  std::string highest = "2";
  for (const int core : cores) {
    const std::filesystem::path folder = std::filesystem::path(cpus) / ("cpu" + std::to_string(core)) / "cache";
    const auto cache_at = [&](int index) { return folder / ("index" + std::to_string(index)); };
    std::error_code unreadable;
    for (int index = 0; std::filesystem::exists(cache_at(index), unreadable); ++index) {
      const std::filesystem::path cache = cache_at(index);
      const std::string level = first_line(cache / "level");
      if (level < highest) continue;
      if (level > highest) caches.clear(), highest = level;
      caches[first_line(cache / "shared_cpu_list")] = parse_size(first_line(cache / "size"));
    }
  }
  std::size_t bytes = 0;
  for (const auto& [shared_by, size] : caches) bytes += size;
  return bytes;
}

std::size_t last_level_cache_bytes_of(const std::vector<int>& cores) {
  if (const std::size_t bytes = from_hwloc(cores)) return bytes;
  if (const std::size_t bytes = last_level_cache_from_sysfs(cores, "/sys/devices/system/cpu")) return bytes;
  return kUnknown;
}

}  // namespace assay
