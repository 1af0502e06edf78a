#include "harness/record/nvml.h"

#include <dlfcn.h>

#include <utility>

namespace assay {
namespace {

// From NVML's API reference: nvmlReturn_t is an enumeration whose 0 is success, a device is an opaque pointer.
using Status = int;
constexpr Status kSuccess = 0;
using DeviceHandle = void*;
enum ClockKind : int { kClockSm = 1, kClockMemory = 2 };
constexpr int kTemperatureGpu = 0;
constexpr unsigned kTextBytes = 96;  // NVML_DEVICE_NAME_V2_BUFFER_SIZE, the longest text read here

}  // namespace

struct Nvml::Functions {
  void* library = nullptr;
  bool initialised = false;
  Status (*init)() = nullptr;
  Status (*shutdown)() = nullptr;
  Status (*driver_version)(char*, unsigned) = nullptr;
  Status (*handle_by_pci)(const char*, DeviceHandle*) = nullptr;
  Status (*name)(DeviceHandle, char*, unsigned) = nullptr;
  Status (*power_limit)(DeviceHandle, unsigned*) = nullptr;
  Status (*power_default)(DeviceHandle, unsigned*) = nullptr;
  Status (*power_constraints)(DeviceHandle, unsigned*, unsigned*) = nullptr;
  Status (*clock)(DeviceHandle, int, unsigned*) = nullptr;
  Status (*clock_max)(DeviceHandle, int, unsigned*) = nullptr;
  Status (*temperature)(DeviceHandle, int, unsigned*) = nullptr;

  ~Functions() {
    if (initialised && shutdown) shutdown();
    if (library) ::dlclose(library);
  }

  template <class Function>
  void find(Function& function, const char* symbol) {
    function = reinterpret_cast<Function>(::dlsym(library, symbol));
  }
};

Nvml::Nvml(std::unique_ptr<Functions> functions) : functions_(std::move(functions)) {}
Nvml::Nvml(Nvml&&) noexcept = default;
Nvml& Nvml::operator=(Nvml&&) noexcept = default;
Nvml::~Nvml() = default;

std::optional<Nvml> Nvml::load(std::string& reason, const char* library) {
  auto f = std::make_unique<Functions>();
  f->library = ::dlopen(library, RTLD_NOW | RTLD_LOCAL);
  if (!f->library) {
    reason = std::string(library) + " cannot be loaded";
    return std::nullopt;
  }
  f->find(f->init, "nvmlInit_v2");
  f->find(f->shutdown, "nvmlShutdown");
  f->find(f->driver_version, "nvmlSystemGetDriverVersion");
  f->find(f->handle_by_pci, "nvmlDeviceGetHandleByPciBusId_v2");
  f->find(f->name, "nvmlDeviceGetName");
  f->find(f->power_limit, "nvmlDeviceGetEnforcedPowerLimit");
  f->find(f->power_default, "nvmlDeviceGetPowerManagementDefaultLimit");
  f->find(f->power_constraints, "nvmlDeviceGetPowerManagementLimitConstraints");
  f->find(f->clock, "nvmlDeviceGetClockInfo");
  f->find(f->clock_max, "nvmlDeviceGetMaxClockInfo");
  f->find(f->temperature, "nvmlDeviceGetTemperature");
  const Status status = f->init ? f->init() : -1;
  if (status != kSuccess) {
    reason = "nvmlInit_v2 fails with status " + std::to_string(status);
    return std::nullopt;
  }
  f->initialised = true;
  return Nvml(std::move(f));
}

std::string Nvml::driver_version() const {
  char text[kTextBytes] = "";
  if (!functions_->driver_version || functions_->driver_version(text, kTextBytes) != kSuccess) return {};
  return text;
}

std::optional<NvmlDevice> Nvml::device(const std::string& pci_bus_id) const {
  const Functions& f = *functions_;
  DeviceHandle handle = nullptr;
  if (!f.handle_by_pci || f.handle_by_pci(pci_bus_id.c_str(), &handle) != kSuccess) return std::nullopt;

  // A query that this driver lacks, or that this GPU refuses, leaves its field null.
  const auto ask = [&](auto function, auto... selector) -> std::optional<unsigned> {
    unsigned value = 0;
    if (!function || function(handle, selector..., &value) != kSuccess) return std::nullopt;
    return value;
  };
  const auto watts = [](std::optional<unsigned> milliwatts) {
    return milliwatts ? std::optional<double>(*milliwatts * 1e-3) : std::nullopt;
  };
  NvmlDevice out;
  char text[kTextBytes] = "";
  if (f.name && f.name(handle, text, kTextBytes) == kSuccess) out.name = text;
  out.power_limit_watts = watts(ask(f.power_limit));
  out.power_default_watts = watts(ask(f.power_default));
  unsigned least = 0, most = 0;
  if (f.power_constraints && f.power_constraints(handle, &least, &most) == kSuccess) out.power_max_watts = most * 1e-3;
  out.sm_clock_mhz = ask(f.clock, int(kClockSm));
  out.memory_clock_mhz = ask(f.clock, int(kClockMemory));
  out.sm_clock_max_mhz = ask(f.clock_max, int(kClockSm));
  out.memory_clock_max_mhz = ask(f.clock_max, int(kClockMemory));
  out.temperature_celsius = ask(f.temperature, kTemperatureGpu);
  return out;
}

}  // namespace assay
