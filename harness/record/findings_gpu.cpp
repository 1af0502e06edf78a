// What a provenance says about measuring its GPUs.  One rule a function.  Unfit is only what no tuning of a measurement
// mends and its owner can: the rest is a warning beside the figures.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <sstream>
#include <vector>

#include "harness/backends/nvml.h"
#include "harness/record/finding.h"
#include "harness/record/provenance.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

Json list_of(const Json& outer, const char* key) {
  const auto found = outer.is_object() ? outer.find(key) : outer.end();
  return found != outer.end() && found->is_array() ? *found : Json::array();
}

Json nvml_devices(const Json& p) { return p.is_object() ? list_of(p.value("nvml", Json()), "devices") : Json::array(); }

Json member(const Json& object, const char* key) { return object.is_object() ? object.value(key, Json()) : Json(); }

/// The GPUs that can be measured, with what CUDA and NVML say of each; where CUDA shows none, all that NVML lists.  One
/// that CUDA_VISIBLE_DEVICES hides is nobody's concern here.
std::vector<Json> gpus_of(const Json& p) {
  const Json shown = list_of(p, "gpus"), listed = nvml_devices(p);
  std::vector<Json> out;
  if (shown.empty()) {
    for (const Json& device : listed)
      if (device.is_object()) out.push_back(device);
    return out;
  }
  for (const Json& gpu : shown) {
    if (!gpu.is_object()) continue;
    Json merged = gpu;
    const Json bus = member(gpu, "pci_bus_id");
    for (const Json& device : listed)
      if (bus.is_string() && member(device, "pci_bus_id") == short_pci_bus_id(bus.get<std::string>()))
        for (const auto& [key, value] : device.items())
          if (key != "index") merged[key] = value;
    out.push_back(std::move(merged));
  }
  return out;
}

/// What a rule says of one GPU: "GPU 0 " and `what`.  GPUs of which the same is to be said share a finding.
struct Said {
  std::string severity, what, meaning, action;
};
using Rule = std::optional<Said> (*)(const Json& gpu, const Json& p);

bool below(const Json& value, const Json& most, double tolerance = 0) {
  return value.is_number() && most.is_number() && value.get<double>() < most.get<double>() - tolerance;
}

std::optional<Said> power_capped(const Json& gpu, const Json&) {
  const Json limit = member(gpu, "power_limit_watts"), usual = member(gpu, "power_default_watts");
  constexpr double kRounding = 1;  // watts: what drivers round a limit to
  if (!below(limit, usual, kRounding)) return {};
  return Said{
      "unfit", fmt::format("may draw {:.0f} W of its default {:.0f} W", limit.get<double>(), usual.get<double>()),
      "clocks fall under load earlier than the part's do", "nvidia-smi -pl WATTS, or say so beside the figures"};
}

std::optional<Said> ecc_waits(const Json& gpu, const Json&) {
  const Json now = member(gpu, "ecc"), later = member(gpu, "ecc_after_reset");
  if (!now.is_boolean() || !later.is_boolean() || now == later) return {};
  return Said{"unfit", fmt::format("waits for a reset to turn ECC {}", later == true ? "on" : "off"),
              "what is measured now is not what the machine will be", "nvidia-smi --gpu-reset, or reboot"};
}

std::optional<Said> rows_wait(const Json& gpu, const Json&) {
  if (member(gpu, "remap_pending") != true && member(gpu, "page_retirement_pending") != true) return {};
  return Said{"unfit", "has faulty memory rows that wait for a reset to be replaced",
              "memory that is known to be faulty is still in use", "nvidia-smi --gpu-reset, or reboot"};
}

std::optional<Said> remap_failed(const Json& gpu, const Json&) {
  if (member(gpu, "remap_failed") != true) return {};
  return Said{"unfit", "could not replace a faulty memory row", "no spare row is left there: the fault stays",
              "take it out of service and return it"};
}

std::optional<Said> uncorrected(const Json& gpu, const Json&) {
  const Json errors = member(gpu, "ecc_uncorrected");
  if (!errors.is_number() || errors.get<double>() <= 0) return {};
  return Said{"warning", fmt::format("has had {} uncorrected ECC errors since its driver was loaded", errors.dump()),
              "memory fails: results may be lost and rows be replaced", "reset it, run `assay` again, and watch them"};
}

std::optional<Said> ecc_off(const Json& gpu, const Json&) {
  if (member(gpu, "ecc") != false) return {};
  return Said{"info", "runs without ECC", "errors of its memory are neither corrected nor counted",
              "nvidia-smi -e 1 and a reset, where it trains"};
}

std::optional<Said> sliced(const Json& gpu, const Json&) {
  if (member(gpu, "mig") != true) return {};
  return Said{"unfit", "is in MIG mode", "a slice of it is measured, beside what others do on the rest",
              "nvidia-smi -mig 0, where whole GPUs are wanted"};
}

std::optional<Said> occupied(const Json& gpu, const Json&) {
  std::string who;
  for (const Json& other : list_of(gpu, "others")) {
    const Json name = member(other, "name");
    who +=
        fmt::format("{}{} {}", who.empty() ? "" : ", ",
                    name.is_string() && name != "" ? name.get<std::string>() : "process", member(other, "pid").dump());
  }
  if (who.empty()) return {};
  return Said{"unfit", "is used by others: " + who, "they take its time, memory and power while we measure",
              "stop them, or wait until they are done"};
}

std::optional<Said> held_down(const Json& gpu, const Json&) {
  std::string reasons;
  for (const Json& limit : list_of(gpu, "limits"))
    for (const char* reason : {"application_clocks", "thermal", "hardware_thermal", "hardware_slowdown", "power_brake"})
      if (limit == reason) reasons += (reasons.empty() ? "" : ", ") + limit.get<std::string>();
  if (reasons.empty()) return {};
  return Said{"warning", "has its clock held down before any work: " + reasons,
              "it will not reach the part's clock under load",
              "nvidia-smi -rac and -rgc undo settings; else look at cooling and power supplies"};
}

/// The generation of a link falls while the GPU rests, and tells nothing here; its width does not.
std::optional<Said> narrow(const Json& gpu, const Json&) {
  const Json width = member(gpu, "pcie_width"), most = member(gpu, "pcie_width_max");
  if (!below(width, most)) return {};
  return Said{"warning", fmt::format("uses {} of {} PCIe lanes", width.dump(), most.dump()),
              "copies between host and GPU take longer in proportion", "reseat it, or its riser or cable"};
}

std::optional<Said> links_down(const Json& gpu, const Json& p) {
  const Json all = member(gpu, "nvlinks"), active = member(gpu, "nvlinks_active");
  const auto linked = [](const Json& other) {
    const Json links = member(other, "nvlinks_active");
    return links.is_number() && links.get<int>() > 0;
  };
  if (!below(active, all)) return {};
  // Links that are all down on every GPU are links that nobody has connected: PCIe cards without a bridge.
  const auto gpus = gpus_of(p);
  if (std::none_of(gpus.begin(), gpus.end(), linked)) return {};
  return Said{"warning", fmt::format("has {} of {} NVLinks up", active.dump(), all.dump()),
              "collectives run at the pace of the slowest link, or fall back to PCIe",
              "look at nvidia-smi nvlink --status and the fabric manager's log; reset"};
}

std::optional<Said> persistence(const Json& gpu, const Json&) {
  if (member(gpu, "persistence") != false) return {};
  return Said{"info", "is not in persistence mode", "the driver lets go of it between runs, and starting takes seconds",
              "nvidia-smi -pm 1, or nvidia-persistenced"};
}

/// Whether two of /sys's lists ("0-31,64-95") share a CPU.
bool share_a_cpu(const std::string& first, const std::string& second) {
  const auto ranges = [](const std::string& text) {
    std::vector<std::pair<int, int>> out;
    std::istringstream parts(text);
    for (std::string part; std::getline(parts, part, ',');) {
      int low = 0, high = 0;
      const int read = std::sscanf(part.c_str(), "%d-%d", &low, &high);
      if (read >= 1) out.emplace_back(low, read == 2 ? high : low);
    }
    return out;
  };
  for (const auto& a : ranges(first))
    for (const auto& b : ranges(second))
      if (a.first <= b.second && b.first <= a.second) return true;
  return false;
}

std::optional<Said> far_from_us(const Json& gpu, const Json& p) {
  const Json cpus = member(gpu, "near_cpus"), ours = look(p, "cpu", "affinity");
  if (!cpus.is_string() || !ours.is_string() || ours == "") return {};
  if (share_a_cpu(cpus.get<std::string>(), ours.get<std::string>())) return {};
  return Said{"warning", fmt::format("is near CPUs {}, of which this process may use none", cpus.get<std::string>()),
              "launches and copies cross the processors' link",
              "bind the process to the GPU's NUMA node, as nvidia-smi topo -m shows it"};
}

Json unexpected_count(const Json& p, std::optional<int> expected) {
  const int shown = int(list_of(p, "gpus").size()), listed = int(nvml_devices(p).size());
  if (!expected || shown == *expected) return nullptr;
  const std::string nvml = listed > 0 ? fmt::format("NVML sees {}", listed) : std::string("NVML sees none");
  const Json reason = member(p, "gpu_reason");
  return finding(
      "unfit", "gpu",
      fmt::format(
          "{} GPUs are expected: CUDA shows {}, {}{}", *expected, shown, nvml,
          shown == 0 && reason.is_string() && reason != "" ? " (" + reason.get<std::string>() + ")" : std::string()),
      shown < *expected ? "the node is not whole: nothing measured here speaks for it"
                        : "this is not the node that was meant",
      listed < *expected
          ? "look for Xids in the kernel's log and for the missing GPU with lspci; reboot, or return the node"
          : "look at CUDA_VISIBLE_DEVICES, the container's devices and the driver's version");
}

Json unserved(const Json& p) {
  const Json on_bus = look(p, "system", "nvidia_gpus_on_bus");
  const std::size_t listed = nvml_devices(p).size();
  const bool some = on_bus.is_number() && on_bus.get<int>() > 0;
  if (!list_of(p, "gpus").empty() || (!some && listed == 0)) return nullptr;
  const std::string there = listed > 0 ? fmt::format("{} GPU(s) seen by NVML", listed)
                                       : fmt::format("{} NVIDIA GPU(s) on the PCI bus", on_bus.dump());
  if (look(p.value("build", Json::object()), "capabilities", "cuda") == false)
    return finding("unfit", "gpu", there + ", and this build has no CUDA", "nothing of the GPU can be measured",
                   "build with a CUDA toolkit of 12.4 or later");
  const bool loaded = listed > 0 || look(p, "system", "nvidia_driver_loaded") == true;
  return finding(
      "unfit", "gpu", there + ", and CUDA shows none",
      loaded ? "the driver is loaded, but its GPUs are hidden from this process or failed"
             : "no NVIDIA driver is loaded",
      loaded ? "look at CUDA_VISIBLE_DEVICES, the container's devices and nvidia-smi" : "install the driver");
}

Json some_hidden(const Json& p) {
  const Json on_bus = look(p, "system", "nvidia_gpus_on_bus");
  const std::size_t shown = list_of(p, "gpus").size();
  if (shown == 0 || !on_bus.is_number() || shown >= on_bus.get<std::size_t>()) return nullptr;
  return finding("warning", "gpu", fmt::format("CUDA shows {} of {} NVIDIA GPUs on the PCI bus", shown, on_bus.dump()),
                 "the node is measured in part", "look at CUDA_VISIBLE_DEVICES and nvidia-smi");
}

/// "13.0" -> 13000; 0 where it is none.
int version_number(const Json& text) {
  int major = 0, minor = 0;
  if (!text.is_string() || std::sscanf(text.get<std::string>().c_str(), "%d.%d", &major, &minor) != 2) return 0;
  return 1000 * major + 10 * minor;
}

Json old_driver(const Json& p) {
  const Json runtime = look(p, "libraries", "cuda_runtime"), driver = look(p, "nvml", "cuda_driver");
  const int needed = version_number(runtime), served = version_number(driver);
  // Within a major version a runtime works on an older driver.
  if (needed == 0 || served == 0 || served / 1000 >= needed / 1000) return nullptr;
  return finding("unfit", "gpu",
                 fmt::format("the driver serves CUDA {} and this build needs {}", driver.get<std::string>(),
                             runtime.get<std::string>()),
                 "CUDA does not start", "install a newer driver, or build with an older toolkit");
}

Json old_nccl(const Json& p) {
  const Json built = look(p, "libraries", "nccl_header"), loaded = look(p, "libraries", "nccl");
  // 10000 * major + 100 * minor + patch: patches change nothing that a caller sees.
  if (!built.is_number() || !loaded.is_number() || loaded.get<int>() / 100 == built.get<int>() / 100) return nullptr;
  const bool older = loaded.get<int>() < built.get<int>();
  return finding(older ? "warning" : "info", "gpu",
                 fmt::format("NCCL {} is loaded, and this build knows {}", loaded.dump(), built.dump()),
                 older ? "calls that the build has and the library lacks fail" : "the library may choose otherwise",
                 "look at LD_LIBRARY_PATH, or say so beside the figures");
}

void add_of_each_gpu(Rule rule, const std::vector<Json>& gpus, const Json& p, Json& out) {
  std::vector<std::pair<Said, std::string>> all;  // with the GPUs' numbers
  for (const Json& gpu : gpus) {
    const auto said = rule(gpu, p);
    if (!said) continue;
    const std::string number = member(gpu, "index").dump();
    const auto same =
        std::find_if(all.begin(), all.end(), [&](const auto& one) { return one.first.what == said->what; });
    if (same == all.end())
      all.emplace_back(*said, number);
    else
      same->second += ", " + number;
  }
  for (const auto& [said, numbers] : all)
    out.push_back(
        finding(said.severity.c_str(), "gpu", fmt::format("GPU {} {}", numbers, said.what), said.meaning, said.action));
}

}  // namespace

Json gpu_findings(const Json& p, std::optional<int> expected_gpus) {
  Json out = Json::array();
  const auto add = [&](Json found) {
    if (!found.is_null()) out.push_back(std::move(found));
  };
  add(unexpected_count(p, expected_gpus));
  for (const auto rule : {unserved, some_hidden, old_driver, old_nccl}) add(rule(p));
  const auto gpus = gpus_of(p);
  for (const Rule rule : {power_capped, rows_wait, remap_failed, ecc_waits, sliced, occupied, uncorrected, held_down,
                          narrow, links_down, far_from_us, ecc_off, persistence})
    add_of_each_gpu(rule, gpus, p, out);
  return out;
}

}  // namespace assay
