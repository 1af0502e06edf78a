#include "assay/build_config.h"
#include "harness/backends/backend.h"
#include "harness/backends/nvml.h"
#include "harness/core/system_files.h"
#include "harness/record/provenance.h"

#if ASSAY_HAS_CUDA
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#endif

namespace assay {

using Json = nlohmann::ordered_json;

#if ASSAY_HAS_CUDA
namespace {

template <class T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json attribute(cudaDeviceAttr what, int ordinal) {
  int value = 0;
  return cudaDeviceGetAttribute(&value, what, ordinal) == cudaSuccess ? Json(value) : Json(nullptr);
}

std::string uuid_text(const cudaUUID_t& uuid) {
  std::string out = "GPU-";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += fmt::format("{:02x}", static_cast<unsigned char>(uuid.bytes[i]));
  }
  return out;
}

void add_nvml(Json& gpu, const std::optional<Nvml>& nvml, const std::string& pci_bus_id) {
  const auto device = nvml ? nvml->device(pci_bus_id) : std::nullopt;
  const NvmlDevice facts = device.value_or(NvmlDevice{});
  gpu["power_limit_watts"] = or_null(facts.power_limit_watts);
  gpu["power_default_watts"] = or_null(facts.power_default_watts);
  gpu["power_max_watts"] = or_null(facts.power_max_watts);
  gpu["sm_clock_mhz"] = or_null(facts.sm_clock_mhz);
  gpu["sm_clock_max_mhz"] = or_null(facts.sm_clock_max_mhz);
  gpu["memory_clock_mhz"] = or_null(facts.memory_clock_mhz);
  gpu["memory_clock_max_mhz"] = or_null(facts.memory_clock_max_mhz);
  gpu["temperature_celsius"] = or_null(facts.temperature_celsius);
  gpu["driver_version"] = nvml && !nvml->driver_version().empty() ? Json(nvml->driver_version()) : Json(nullptr);
}

void add_pci_link(Json& gpu, std::string pci_bus_id) {
  std::transform(pci_bus_id.begin(), pci_bus_id.end(), pci_bus_id.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  const auto folder = std::filesystem::path("/sys/bus/pci/devices") / pci_bus_id;
  gpu["pci_link_speed"] = or_null(first_line(folder / "current_link_speed"));
  gpu["pci_link_width"] = or_null(first_line(folder / "current_link_width"));
  gpu["numa_node"] = or_null(first_line(folder / "numa_node"));
}

Json describe(int ordinal, const std::optional<Nvml>& nvml) {
  Json gpu = {{"index", ordinal}, {"name", "unknown"}};
  cudaDeviceProp properties{};
  if (const auto status = cudaGetDeviceProperties(&properties, ordinal); status != cudaSuccess) {
    gpu["error"] = cudaGetErrorString(status);
    return gpu;
  }
  char pci_bus_id[32] = "";
  cudaDeviceGetPCIBusId(pci_bus_id, sizeof pci_bus_id, ordinal);
  gpu["name"] = properties.name;
  gpu["pci_bus_id"] = pci_bus_id;
  gpu["uuid"] = uuid_text(properties.uuid);
  gpu["compute_capability"] = properties.major * 10 + properties.minor;
  gpu["multiprocessors"] = properties.multiProcessorCount;
  gpu["memory_bytes"] = properties.totalGlobalMem;
  gpu["l2_bytes"] = properties.l2CacheSize;
  gpu["shared_bytes_per_block"] = properties.sharedMemPerBlockOptin;
  gpu["ecc"] = properties.ECCEnabled != 0;
  gpu["clock_khz"] = attribute(cudaDevAttrClockRate, ordinal);
  gpu["memory_clock_khz"] = attribute(cudaDevAttrMemoryClockRate, ordinal);
  gpu["memory_bus_bits"] = attribute(cudaDevAttrGlobalMemoryBusWidth, ordinal);
  add_nvml(gpu, nvml, pci_bus_id);
  add_pci_link(gpu, pci_bus_id);
  return gpu;
}

}  // namespace
#endif

Json gpu_provenance(std::string& reason) {
  Json out = Json::array();
  const GpuProbe probe = probe_gpus();
  reason = probe.reason;
#if ASSAY_HAS_CUDA
  std::string nvml_reason;
  std::optional<Nvml> nvml;
  if (probe.count > 0) nvml = Nvml::load(nvml_reason);
  for (int ordinal = 0; ordinal < probe.count; ++ordinal) {
    out.push_back(describe(ordinal, nvml));
    if (!nvml) out.back()["nvml_reason"] = nvml_reason;
  }
#endif
  return out;
}

}  // namespace assay
