#include <hwloc.h>

#include <algorithm>
#include <memory>
#include <sstream>
#include <thread>
#include <vector>

#include "harness/backends/backend.h"
#include "harness/backends/cgroup.h"
#include "harness/backends/cores.h"
#include "harness/core/system_files.h"
#include "harness/record/provenance.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

struct DestroyTopology {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};

std::unique_ptr<hwloc_topology, DestroyTopology> load_topology() {
  hwloc_topology* topology = nullptr;
  if (hwloc_topology_init(&topology) != 0) return nullptr;
  std::unique_ptr<hwloc_topology, DestroyTopology> owner(topology);
  return hwloc_topology_load(topology) == 0 ? std::move(owner) : nullptr;
}

Json caches(hwloc_topology* topology) {
  Json out = Json::array();
  constexpr std::pair<hwloc_obj_type_t, const char*> kinds[] = {
      {HWLOC_OBJ_L1CACHE, "L1d"}, {HWLOC_OBJ_L2CACHE, "L2"}, {HWLOC_OBJ_L3CACHE, "L3"}};
  for (const auto& [kind, label] : kinds) {
    const int count = hwloc_get_nbobjs_by_type(topology, kind);
    if (count <= 0) continue;
    const hwloc_obj_t first = hwloc_get_obj_by_type(topology, kind, 0);
    out.push_back({{"name", label}, {"bytes", first->attr->cache.size}, {"count", count}});
  }
  return out;
}

void add_topology(Json& out) {
  const auto topology = load_topology();
  const auto count = [&](hwloc_obj_type_t type) {
    const int n = topology ? hwloc_get_nbobjs_by_type(topology.get(), type) : 0;
    return n > 0 ? Json(n) : Json(nullptr);
  };
  out["packages"] = count(HWLOC_OBJ_PACKAGE);
  out["cores"] = count(HWLOC_OBJ_CORE);
  out["threads"] = std::thread::hardware_concurrency();
  out["allowed_threads"] = available_threads();
  out["numa_nodes"] = count(HWLOC_OBJ_NUMANODE);
  out["caches"] = topology ? caches(topology.get()) : Json::array();
}

/// "0-3,8": the CPUs this process may run on.
/// Not the calling thread's: a CPU backend has pinned that one to a single core.
std::string affinity() {
  std::vector<int> cores = process_cores();
  std::sort(cores.begin(), cores.end());
  std::string out;
  for (std::size_t i = 0; i < cores.size(); ++i) {
    const std::size_t first = i;
    while (i + 1 < cores.size() && cores[i + 1] == cores[i] + 1) ++i;
    if (!out.empty()) out += ',';
    out += std::to_string(cores[first]);
    if (i > first) out.append("-").append(std::to_string(cores[i]));
  }
  return out;
}

/// Of the processor's flags only those that decide which kernels run.
Json features(const std::string& flags) {
  static constexpr std::string_view kInteresting[] = {"avx2",     "avx512f",  "avx512_bf16", "avx512_fp16",
                                                      "amx_tile", "amx_bf16", "asimd",       "sve",
                                                      "sve2",     "bf16",     "i8mm",        "svebf16"};
  Json out = Json::array();
  std::istringstream words(flags);
  for (std::string word; words >> word;)
    if (std::find(std::begin(kInteresting), std::end(kInteresting), word) != std::end(kInteresting))
      out.push_back(word);
  return out;
}

void add_frequency(Json& out, const std::string& cpuinfo, const std::filesystem::path& root) {
  const auto cpus = root / "sys/devices/system/cpu";
  const auto mhz = [&](const char* file) -> std::optional<double> {
    const auto khz = to_number(first_line(cpus / "cpu0/cpufreq" / file));
    return khz ? std::optional(*khz * 1e-3) : std::nullopt;
  };
  const auto current = mhz("scaling_cur_freq");
  out["current_mhz"] = or_null(current ? current : to_number(value_of(cpuinfo, "cpu MHz", ':')));
  out["min_mhz"] = or_null(mhz("cpuinfo_min_freq"));
  out["max_mhz"] = or_null(mhz("cpuinfo_max_freq"));
  out["governor"] = or_null(first_line(cpus / "cpu0/cpufreq/scaling_governor"));
  const auto no_turbo = first_line(cpus / "intel_pstate/no_turbo");
  const auto boost = no_turbo ? std::optional<bool>(*no_turbo == "0") : std::nullopt;
  const auto amd_boost = first_line(cpus / "cpufreq/boost");
  out["boost"] = or_null(boost ? boost : amd_boost ? std::optional<bool>(*amd_boost == "1") : std::nullopt);
  const auto smt = first_line(cpus / "smt/active");
  out["smt"] = or_null(smt ? std::optional<bool>(*smt == "1") : std::nullopt);
}

}  // namespace

Json cpu_provenance(const std::filesystem::path& root) {
  const std::string cpuinfo = small_file(root / "proc/cpuinfo");
  const auto first_of = [&](std::initializer_list<const char*> keys) -> std::optional<std::string> {
    for (const char* key : keys)
      if (const auto value = value_of(cpuinfo, key, ':')) return value;
    return std::nullopt;
  };
  // x86 says "flags", Arm "Features"; Arm gives no model name, only the implementer's and the part's number.
  const std::string flags = first_of({"flags", "Features"}).value_or("");
  Json out;
  out["model"] = or_null(first_of({"model name", "CPU part"}));
  out["vendor"] = or_null(first_of({"vendor_id", "CPU implementer"}));
  add_topology(out);
  add_frequency(out, cpuinfo, root);
  out["microcode"] = or_null(first_of({"microcode"}));
  out["features"] = features(flags);
  out["hypervisor"] = (' ' + flags + ' ').find(" hypervisor ") != std::string::npos;
  out["cgroup_cores"] = or_null(cgroup_limits(root / "proc/self/cgroup", root / "sys/fs/cgroup").cpus);
  out["affinity"] = affinity();
  return out;
}

}  // namespace assay
