#include "harness/backends/nvml.h"
#include "harness/core/system_files.h"
#include "harness/measure/processes.h"
#include "harness/record/provenance.h"

namespace assay {
namespace {

using Json = nlohmann::ordered_json;

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json others_json(const std::vector<NvmlProcess>& processes) {
  Json out = Json::array();
  for (const OtherProcess& other : others_on_gpu(processes))
    out.push_back({{"pid", other.pid}, {"name", other.name}, {"memory_bytes", or_null(other.memory_bytes)}});
  return out;
}

/// The CPUs near the GPU, as /sys lists them ("0-31,64-95"); null where the machine has no such places.
Json near_cpus(const std::string& pci_bus_id) {
  const auto node = first_line("/sys/bus/pci/devices/" + pci_bus_id + "/numa_node");
  if (!node || node->starts_with("-")) return nullptr;
  return or_null(first_line("/sys/devices/system/node/node" + *node + "/cpulist"));
}

Json device_json(const NvmlDevice& d) {
  return {{"index", d.index},
          {"name", or_null(d.name)},
          {"uuid", or_null(d.uuid)},
          {"pci_bus_id", or_null(d.pci_bus_id)},
          {"power_limit_watts", or_null(d.power_limit_watts)},
          {"power_default_watts", or_null(d.power_default_watts)},
          {"power_max_watts", or_null(d.power_max_watts)},
          {"sm_clock_mhz", or_null(d.sm_clock_mhz)},
          {"sm_clock_max_mhz", or_null(d.sm_clock_max_mhz)},
          {"memory_clock_mhz", or_null(d.memory_clock_mhz)},
          {"memory_clock_max_mhz", or_null(d.memory_clock_max_mhz)},
          {"limits", d.limits},
          {"temperature_celsius", or_null(d.temperature_celsius)},
          {"ecc", or_null(d.ecc)},
          {"ecc_after_reset", or_null(d.ecc_after_reset)},
          {"ecc_corrected", or_null(d.ecc_corrected)},
          {"ecc_uncorrected", or_null(d.ecc_uncorrected)},
          {"remapped_rows", or_null(d.remapped_rows)},
          {"remap_pending", or_null(d.remap_pending)},
          {"remap_failed", or_null(d.remap_failed)},
          {"page_retirement_pending", or_null(d.page_retirement_pending)},
          {"mig", or_null(d.mig)},
          {"persistence", or_null(d.persistence)},
          {"pcie_generation", or_null(d.pcie_generation)},
          {"pcie_generation_max", or_null(d.pcie_generation_max)},
          {"pcie_width", or_null(d.pcie_width)},
          {"pcie_width_max", or_null(d.pcie_width_max)},
          {"nvlinks", d.nvlinks},
          {"nvlinks_active", d.nvlinks_active},
          {"near_cpus", near_cpus(d.pci_bus_id)},
          {"others", others_json(d.processes)}};
}

}  // namespace

Json nvml_provenance() {
  std::string reason;
  const auto nvml = Nvml::load(reason);
  Json out = {{"reason", reason},
              {"driver_version", nullptr},
              {"nvml_version", nullptr},
              {"cuda_driver", nullptr},
              {"devices", Json::array()}};
  if (!nvml) return out;
  out["driver_version"] = or_null(nvml->driver_version());
  out["nvml_version"] = or_null(nvml->nvml_version());
  if (const auto cuda = nvml->cuda_driver_version())  // 1000 * major + 10 * minor
    out["cuda_driver"] = std::to_string(*cuda / 1000) + "." + std::to_string(*cuda % 1000 / 10);
  for (const NvmlDevice& device : nvml->devices()) out["devices"].push_back(device_json(device));
  return out;
}

}  // namespace assay
