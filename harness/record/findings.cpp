// What a provenance says about measuring here.  One rule a function; each adds at most one finding.
#include <fmt/format.h>

#include "harness/record/finding.h"
#include "harness/record/provenance.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;
constexpr double kGiB = 1ull << 30;

Json debug_build(const Json& p) {
  const Json type = look(p, "build", "type");
  if (!type.is_string() || (type != "Debug" && type != "None")) return nullptr;
  return finding("unfit", "build", fmt::format("this build of assay is {}", type.get<std::string>()),
                 "its own CPU kernels are not optimised: their figures mean nothing",
                 "configure with -DCMAKE_BUILD_TYPE=Release");
}

Json few_threads(const Json& p) {
  const Json allowed = look(p, "cpu", "allowed_threads"), all = look(p, "cpu", "threads");
  if (!allowed.is_number() || !all.is_number() || allowed.get<double>() >= all.get<double>()) return nullptr;
  return finding("warning", "cpu", fmt::format("{} of {} hardware threads are ours", allowed.dump(), all.dump()),
                 "CPU figures are of a part of this machine, and others may disturb it",
                 "lift the affinity mask or the control group's quota, or say so beside the figures");
}

Json governor(const Json& p) {
  const Json name = look(p, "cpu", "governor");
  if (!name.is_string() || name == "performance") return nullptr;
  return finding("warning", "cpu", fmt::format("the CPU frequency governor is '{}'", name.get<std::string>()),
                 "clocks rise and fall with the load, and short CPU measurements with them",
                 "cpupower frequency-set -g performance");
}

Json load(const Json& p) {
  const Json average = look(p, "system", "load_average"), threads = look(p, "cpu", "threads");
  if (!average.is_array() || average.empty() || !average[0].is_number() || !threads.is_number()) return nullptr;
  // A quarter of the machine is busy already: enough to take a core from a kernel that uses them all.
  constexpr double kBusyShare = 0.25;
  const double one_minute = average[0].get<double>();
  if (one_minute < kBusyShare * threads.get<double>()) return nullptr;
  return finding("warning", "cpu", fmt::format("the load average is {:.1f} on {} threads", one_minute, threads.dump()),
                 "other work shares the cores: CPU times are long and scattered", "stop it, or wait until it is done");
}

Json forced_yardstick(const Json& p) {
  const Json core = look(p, "environment", "OPENBLAS_CORETYPE");
  if (!core.is_string()) return nullptr;
  return finding("warning", "cpu",
                 fmt::format("OPENBLAS_CORETYPE is set: OpenBLAS runs the kernels of '{}'", core.get<std::string>()),
                 "the yardstick may be slower than on its own choice, and ours look better than it is",
                 "unset OPENBLAS_CORETYPE, or show that it is OpenBLAS's best here");
}

Json virtual_machine(const Json& p) {
  if (look(p, "cpu", "hypervisor") != true) return nullptr;
  return finding("info", "cpu", "this is a virtual machine",
                 "the hypervisor moves our cores: CPU figures with several threads vary, and carry a placement class",
                 "compare only figures of the same class; for CPU figures to publish, use bare metal");
}

Json huge_pages(const Json& p) {
  if (look(p, "system", "transparent_huge_pages") != "never") return nullptr;
  return finding("info", "cpu", "transparent huge pages are off", "large CPU buffers cost more address translation",
                 "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

Json little_memory(const Json& p) {
  const Json all = look(p, "system", "memory_bytes"), free = look(p, "system", "memory_available_bytes");
  // Buffers of a CPU case take a few GB, and a machine that begins to swap measures its disk.
  constexpr double kLeastShare = 0.1;
  if (!all.is_number() || !free.is_number() || free.get<double>() >= kLeastShare * all.get<double>()) return nullptr;
  return finding(
      "warning", "cpu",
      fmt::format("{:.1f} of {:.1f} GiB of memory are free", free.get<double>() / kGiB, all.get<double>() / kGiB),
      "large cases find no room, or the machine swaps while they are measured", "stop what holds the memory");
}

}  // namespace

Json findings(const Json& provenance, std::optional<int> expected_gpus) {
  Json out = gpu_findings(provenance, expected_gpus);
  for (const auto rule :
       {debug_build, few_threads, governor, load, little_memory, forced_yardstick, huge_pages, virtual_machine})
    if (Json found = rule(provenance); !found.is_null()) out.push_back(std::move(found));
  return out;
}

std::string unfit_for(const Json& findings, std::string_view concerns) {
  std::string out;
  for (const auto& one : findings)
    if (one.value("severity", "") == "unfit" && one.value("concerns", "") == concerns)
      out += fmt::format("{}{} ({})", out.empty() ? "" : "; ", one.value("what", ""), one.value("action", ""));
  return out;
}

}  // namespace assay
