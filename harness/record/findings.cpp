// What a provenance says about measuring here.  One rule a function; each adds at most one finding.
#include <fmt/format.h>

#include "harness/record/provenance.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json finding(const char* severity, std::string what, std::string meaning, std::string action) {
  return {{"severity", severity},
          {"what", std::move(what)},
          {"meaning", std::move(meaning)},
          {"action", std::move(action)}};
}

/// The value under /outer/inner, null where there is none.
Json look(const Json& p, const char* outer, const char* inner) {
  const auto found = p.find(outer);
  if (found == p.end() || !found->is_object() || !found->contains(inner)) return nullptr;
  return (*found)[inner];
}

Json debug_build(const Json& p) {
  const Json type = look(p, "build", "type");
  if (!type.is_string() || (type != "Debug" && type != "None")) return nullptr;
  return finding("unfit", fmt::format("this build of assay is {}", type.get<std::string>()),
                 "its own CPU kernels are not optimised: their figures mean nothing",
                 "configure with -DCMAKE_BUILD_TYPE=Release");
}

Json few_threads(const Json& p) {
  const Json allowed = look(p, "cpu", "allowed_threads"), all = look(p, "cpu", "threads");
  if (!allowed.is_number() || !all.is_number() || allowed.get<double>() >= all.get<double>()) return nullptr;
  return finding("warning", fmt::format("{} of {} hardware threads are ours", allowed.dump(), all.dump()),
                 "CPU figures are of a part of this machine, and others may disturb it",
                 "lift the affinity mask or the control group's quota, or say so beside the figures");
}

Json governor(const Json& p) {
  const Json name = look(p, "cpu", "governor");
  if (!name.is_string() || name == "performance") return nullptr;
  return finding("warning", fmt::format("the CPU frequency governor is '{}'", name.get<std::string>()),
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
  return finding("warning", fmt::format("the load average is {:.1f} on {} threads", one_minute, threads.dump()),
                 "other work shares the cores: CPU times are long and scattered", "stop it, or wait until it is done");
}

Json forced_yardstick(const Json& p) {
  const Json core = look(p, "environment", "OPENBLAS_CORETYPE");
  if (!core.is_string()) return nullptr;
  return finding("warning",
                 fmt::format("OPENBLAS_CORETYPE is set: OpenBLAS runs the kernels of '{}'", core.get<std::string>()),
                 "the yardstick may be slower than on its own choice, and ours look better than it is",
                 "unset OPENBLAS_CORETYPE, or show that it is OpenBLAS's best here");
}

Json virtual_machine(const Json& p) {
  if (look(p, "cpu", "hypervisor") != true) return nullptr;
  return finding("info", "this is a virtual machine",
                 "the hypervisor moves our cores: CPU figures with several threads vary, and carry a placement class",
                 "compare only figures of the same class; for CPU figures to publish, use bare metal");
}

Json huge_pages(const Json& p) {
  if (look(p, "system", "transparent_huge_pages") != "never") return nullptr;
  return finding("info", "transparent huge pages are off", "large CPU buffers cost more address translation",
                 "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

Json gpu_unserved(const Json& p) {
  const Json on_bus = look(p, "system", "nvidia_gpus_on_bus");
  const auto gpus = p.find("gpus");
  const bool served = gpus != p.end() && gpus->is_array() && !gpus->empty();
  if (served || !on_bus.is_number() || on_bus.get<int>() == 0) return nullptr;
  const Json build = p.value("build", Json::object());
  if (look(build, "capabilities", "cuda") == false)
    return finding("unfit", fmt::format("{} NVIDIA GPU(s) on the PCI bus, and this build has no CUDA", on_bus.dump()),
                   "nothing of the GPU can be measured", "build with a CUDA toolkit of 12.4 or later");
  const bool loaded = look(p, "system", "nvidia_driver_loaded") == true;
  return finding(
      "unfit", fmt::format("{} NVIDIA GPU(s) on the PCI bus, and CUDA shows none", on_bus.dump()),
      loaded ? "the driver is loaded, but its GPUs are hidden from this process or failed"
             : "no NVIDIA driver is loaded",
      loaded ? "look at CUDA_VISIBLE_DEVICES, the container's devices and nvidia-smi" : "install the driver");
}

Json gpu_count(const Json& p) {
  const Json on_bus = look(p, "system", "nvidia_gpus_on_bus");
  const auto gpus = p.find("gpus");
  if (gpus == p.end() || !gpus->is_array() || gpus->empty() || !on_bus.is_number()) return nullptr;
  if (gpus->size() >= on_bus.get<std::size_t>()) return nullptr;
  return finding("warning", fmt::format("CUDA shows {} of {} NVIDIA GPUs on the PCI bus", gpus->size(), on_bus.dump()),
                 "the node is measured in part", "look at CUDA_VISIBLE_DEVICES and nvidia-smi");
}

Json power_capped(const Json& p) {
  const auto gpus = p.find("gpus");
  if (gpus == p.end() || !gpus->is_array()) return nullptr;
  for (const auto& gpu : *gpus) {
    if (!gpu.is_object()) continue;
    const Json limit = gpu.value("power_limit_watts", Json()), usual = gpu.value("power_default_watts", Json());
    if (!limit.is_number() || !usual.is_number() || limit.get<double>() >= usual.get<double>()) continue;
    return finding("warning",
                   fmt::format("GPU {} may draw {:.0f} W of its default {:.0f} W", gpu.value("index", Json(0)).dump(),
                               limit.get<double>(), usual.get<double>()),
                   "clocks fall under load earlier than the part's do",
                   "nvidia-smi -pl WATTS, or say so beside the figures");
  }
  return nullptr;
}

}  // namespace

Json findings(const Json& provenance) {
  Json out = Json::array();
  for (const auto rule : {debug_build, gpu_unserved, gpu_count, power_capped, few_threads, governor, load,
                          forced_yardstick, huge_pages, virtual_machine})
    if (Json found = rule(provenance); !found.is_null()) out.push_back(std::move(found));
  return out;
}

}  // namespace assay
