#include "harness/backends/nvml.h"

#include <dlfcn.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <utility>

#include "harness/backends/nvml_functions.h"

namespace assay {

NvmlFunctions::~NvmlFunctions() {
  if (initialised && shutdown) shutdown();
  if (library) ::dlclose(library);
}

template <class Function>
void NvmlFunctions::find(Function& function, const char* symbol, const char* older) {
  void* address = ::dlsym(library, symbol);
  if (!address && older) address = ::dlsym(library, older);
  function = reinterpret_cast<Function>(address);
}

void NvmlFunctions::find_all() {
  find(init, "nvmlInit_v2");
  find(shutdown, "nvmlShutdown");
  find(driver_version, "nvmlSystemGetDriverVersion");
  find(nvml_version, "nvmlSystemGetNVMLVersion");
  find(cuda_version, "nvmlSystemGetCudaDriverVersion_v2", "nvmlSystemGetCudaDriverVersion");
  find(count, "nvmlDeviceGetCount_v2");
  find(handle_by_index, "nvmlDeviceGetHandleByIndex_v2");
  find(handle_by_pci, "nvmlDeviceGetHandleByPciBusId_v2");
  find(pci_info, "nvmlDeviceGetPciInfo_v3");
  find(name, "nvmlDeviceGetName");
  find(uuid, "nvmlDeviceGetUUID");
  find(power, "nvmlDeviceGetPowerUsage");
  find(power_limit, "nvmlDeviceGetEnforcedPowerLimit");
  find(power_default, "nvmlDeviceGetPowerManagementDefaultLimit");
  find(power_constraints, "nvmlDeviceGetPowerManagementLimitConstraints");
  find(energy, "nvmlDeviceGetTotalEnergyConsumption");
  find(clock, "nvmlDeviceGetClockInfo");
  find(clock_max, "nvmlDeviceGetMaxClockInfo");
  find(temperature, "nvmlDeviceGetTemperature");
  find(clock_limits, "nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetCurrentClocksThrottleReasons");
  find(violation, "nvmlDeviceGetViolationStatus");
  find(fields, "nvmlDeviceGetFieldValues");
  find(ecc_mode, "nvmlDeviceGetEccMode");
  find(mig_mode, "nvmlDeviceGetMigMode");
  find(ecc_errors, "nvmlDeviceGetTotalEccErrors");
  find(remapped_rows, "nvmlDeviceGetRemappedRows");
  find(pages_pending, "nvmlDeviceGetRetiredPagesPendingStatus");
  find(persistence, "nvmlDeviceGetPersistenceMode");
  find(pcie_generation, "nvmlDeviceGetCurrPcieLinkGeneration");
  find(pcie_generation_max, "nvmlDeviceGetMaxPcieLinkGeneration");
  find(pcie_width, "nvmlDeviceGetCurrPcieLinkWidth");
  find(pcie_width_max, "nvmlDeviceGetMaxPcieLinkWidth");
  find(pcie_replays, "nvmlDeviceGetPcieReplayCounter");
  find(link_state, "nvmlDeviceGetNvLinkState");
  find(link_errors, "nvmlDeviceGetNvLinkErrorCounter");
  find(processes, "nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2");
  find(events_create, "nvmlEventSetCreate");
  find(events_register, "nvmlDeviceRegisterEvents");
  find(events_wait, "nvmlEventSetWait_v2");
  find(events_free, "nvmlEventSetFree");
}

Nvml::Nvml(std::unique_ptr<NvmlFunctions> functions) : functions_(std::move(functions)) {}
Nvml::Nvml(Nvml&&) noexcept = default;
Nvml& Nvml::operator=(Nvml&&) noexcept = default;
Nvml::~Nvml() = default;

std::optional<Nvml> Nvml::load(std::string& reason, const char* library) {
  if (!library) library = std::getenv("ASSAY_NVML_LIBRARY");
  if (!library || !*library) library = "libnvidia-ml.so.1";
  auto f = std::make_unique<NvmlFunctions>();
  f->library = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!f->library) {
    reason = std::string(library) + " cannot be loaded";
    return std::nullopt;
  }
  f->find_all();
  const NvmlStatus status = f->init ? f->init() : -1;
  if (status != kNvmlSuccess) {
    reason = "nvmlInit_v2 fails with status " + std::to_string(status);
    return std::nullopt;
  }
  f->initialised = true;
  return Nvml(std::move(f));
}

std::string Nvml::driver_version() const {
  char text[kNvmlTextBytes] = "";
  const auto& f = *functions_;
  return f.driver_version && f.driver_version(text, kNvmlTextBytes) == kNvmlSuccess ? text : "";
}

std::string Nvml::nvml_version() const {
  char text[kNvmlTextBytes] = "";
  const auto& f = *functions_;
  return f.nvml_version && f.nvml_version(text, kNvmlTextBytes) == kNvmlSuccess ? text : "";
}

std::optional<int> Nvml::cuda_driver_version() const { return NvmlFunctions::ask<int>(functions_->cuda_version); }

Nvml::Handle Nvml::find(const std::string& pci_bus_id) const {
  return NvmlFunctions::ask<NvmlHandle>(functions_->handle_by_pci, pci_bus_id.c_str()).value_or(nullptr);
}

std::string short_pci_bus_id(const std::string& pci_bus_id) {
  std::string out = pci_bus_id;
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  const auto domain = out.find(':');  // 8 digits there, 4 here
  return domain == 8 && out.starts_with("0000") ? out.substr(4) : out;
}

}  // namespace assay
